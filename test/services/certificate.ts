/** A certificate for 127.0.0.1 and localhost that signs itself, made by openssl for one run of a test. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  /** The same certificate, for who is to trust it. */
  readonly text: string;
}

export function makeCertificate(folder: string): Certificate {
  const certFile = join(folder, 'server.crt');
  const keyFile = join(folder, 'server.key');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  const words = ['req', '-x509', '-days', '1', ...key, '-out', certFile, ...subject];
  execFileSync('openssl', words, { stdio: 'ignore' });
  return { certFile, keyFile, text: readFileSync(certFile, 'utf8') };
}
