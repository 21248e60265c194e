export const backend = () => ({});
