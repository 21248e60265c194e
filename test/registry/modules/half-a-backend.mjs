export default async () => ({ stores: 'bytes', get() {}, set() {} });
