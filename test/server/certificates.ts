import { execFileSync } from 'node:child_process'
import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** An authority of its own, and what it has signed: all files are PEM. */
export interface Certificates {
  readonly authority: string
  /** Of a server on loopback. */
  readonly server: Pair
  /** Of whoever may call it. */
  readonly client: Pair
}
interface Pair {
  readonly certificate: string
  readonly key: string
}

/** Makes certificates that are valid for a day. */
export function makeCertificates(folder: string): Certificates {
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const pair = (name: string): Pair => ({
    certificate: join(folder, `${name}.pem`),
    key: join(folder, `${name}.key`),
  })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  openssl('req', '-x509', ...newKey, '-subj', '/CN=authority', '-keyout', 'authority.key', '-out', 'authority.pem')
  for (const [name, extensions] of [
    ['server', 'subjectAltName=DNS:temporal.test,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n'],
    ['client', 'extendedKeyUsage=clientAuth\n'],
  ] as const) {
    writeFileSync(join(folder, `${name}.ext`), extensions)
    openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    const signing = ['-CA', 'authority.pem', '-CAkey', 'authority.key', '-CAcreateserial', '-days', '1']
    openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-extfile', `${name}.ext`, '-out', `${name}.pem`)
  }
  return { authority: join(folder, 'authority.pem'), server: pair('server'), client: pair('client') }
}

/** Gives out API keys: JSON web tokens, as Temporal's own authorizer reads them. */
export class ApiKeys {
  private constructor(
    private readonly key: KeyObject,
    /** File with the public key, for the server. */
    readonly publicFile: string,
  ) {}

  static make(folder: string): ApiKeys {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const file = join(folder, 'keys.json')
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'test', alg: 'ES256', use: 'sig' }
    writeFileSync(file, JSON.stringify({ keys: [jwk] }))
    return new ApiKeys(privateKey, file)
  }

  /** @param permissions  `NAMESPACE:read|write|admin`, or `temporal-system:admin` for everything */
  for(...permissions: readonly string[]): string {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const expires = Math.floor(Date.now() / 1000) + 86_400
    const signed = `${part({ alg: 'ES256', typ: 'JWT', kid: 'test' })}.${part({ sub: 'test', permissions, exp: expires })}`
    const signature = createSign('sha256').update(signed).sign({ key: this.key, dsaEncoding: 'ieee-p1363' })
    return `${signed}.${signature.toString('base64url')}`
  }
}
