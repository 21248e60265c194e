/** For what deadlines are not about: a busy machine keeps a call waiting for longer than a server may. */

/** Of a backend. */
export const UNHURRIED = { timeout: '20s' } as const;

/** Of a region over it: it is the backend whose deadline comes first. */
export const UNHURRIED_POLICY = { expirationTime: '1h', backendTimeout: '30s' } as const;
