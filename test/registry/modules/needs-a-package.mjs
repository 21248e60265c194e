import 'a-package-that-nobody-has';
export default () => ({});
