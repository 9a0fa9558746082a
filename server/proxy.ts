import { BlockList, isIPv4 } from 'node:net'
import { isBad, isLoopback, parseAddress } from './address.js'

/** A proxy that is asked to connect (HTTP CONNECT). */
export interface Proxy {
  /** HOST:PORT. */
  readonly address: string
  /** The variable that names it. */
  readonly variable: string
  readonly user?: { readonly name: string; readonly password: string }
}

/**
 * The proxy by which gRPC reaches a server, after the same variables as the client's library (`grpc_proxy`,
 * `https_proxy`, `http_proxy`; `no_grpc_proxy`, `no_proxy`): a worker's library reads none. Undefined where a server is
 * reached directly, as every server of this machine is.
 */
export function proxyOf(address: string, environment: NodeJS.ProcessEnv = process.env): Proxy | undefined {
  if (isLoopback(address)) return undefined
  const variable = ['grpc_proxy', 'https_proxy', 'http_proxy'].find((name) => environment[name])
  const server = parseAddress(address)
  if (variable === undefined || isBad(server)) return undefined
  const exceptions = environment.no_grpc_proxy || environment.no_proxy || ''
  if (exceptions !== '' && exceptions.split(',').some((own) => covers(own, server.host))) return undefined
  try {
    const { protocol, hostname, port, username, password } = new URL(environment[variable]!)
    if (protocol !== 'http:') return undefined
    const proxy = { address: `${hostname}:${port || '80'}`, variable }
    if (username === '') return proxy
    return { ...proxy, user: { name: decodeURIComponent(username), password: decodeURIComponent(password) } }
  } catch {
    return undefined
  }
}

/** Whether an entry of `no_proxy` covers a host: a network of IPv4 addresses, or the end of a name. */
function covers(entry: string, host: string): boolean {
  const [network = '', bits = ''] = entry.split('/')
  if (isIPv4(host) && isIPv4(network) && /^\d{1,2}$/.test(bits) && Number(bits) <= 32) {
    const list = new BlockList()
    list.addSubnet(network, Number(bits), 'ipv4')
    if (list.check(host, 'ipv4')) return true
  }
  return host.endsWith(entry)
}
