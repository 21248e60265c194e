/** Third parties add the names of their backends, and `configure` knows their arguments. */
import { type ArgumentsOf, type BackendName, makeRegion } from 'dogpile-cache';
import { type Equal, yes } from './support.js';

interface EtcdArguments {
  endpoints: readonly string[];
}

declare module 'dogpile-cache' {
  interface BackendArguments {
    '@acme/dogpile-etcd': EtcdArguments;
  }
}

yes<Equal<ArgumentsOf<'@acme/dogpile-etcd'>, EtcdArguments>>();
yes<'@acme/dogpile-etcd' extends BackendName ? true : false>();

makeRegion().configure('@acme/dogpile-etcd', { arguments: { endpoints: ['127.0.0.1:2379'] } });
// @ts-expect-error endpoints are text
makeRegion().configure('@acme/dogpile-etcd', { arguments: { endpoints: [1] } });
// @ts-expect-error it has no such argument
makeRegion().configure('@acme/dogpile-etcd', { arguments: { endpoints: [], port: 1 } });

// The built-in names keep theirs.
makeRegion().configure('memory', { arguments: { maxEntries: 10 } });
