/** A third party's backend: a module whose default export is the factory. */
export default function factory(args) {
  const entries = new Map();
  return {
    stores: 'bytes',
    args,
    get: (key) => entries.get(key),
    getMulti: (keys) => keys.map((key) => entries.get(key)),
    set: (key, stored) => void entries.set(key, stored),
    setMulti: (all) => {
      for (const [key, stored] of all) entries.set(key, stored);
    },
    delete: (key) => void entries.delete(key),
    deleteMulti: (keys) => {
      for (const key of keys) entries.delete(key);
    },
  };
}
