import { BlockList, isIP, isIPv6 } from 'node:net'

/** A place to connect to, or to listen at. */
export interface HostPort {
  /** A name or an IP address, without brackets. */
  readonly host: string
  readonly port: number
}

/** Why a text is not an address, and what it should be. */
export interface BadAddress {
  /** What follows the text in a sentence. */
  readonly problem: string
  readonly remedy: string
}

/** Reads `HOST:PORT`, `[IPV6]:PORT`. */
export function parseAddress(text: string): HostPort | BadAddress {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/)?(.*)$/is.exec(text) ?? []
  const bad = (problem: string, remedy = 'Write HOST:PORT, as in 127.0.0.1:7233 or [::1]:7233.') => ({
    problem,
    remedy,
  })
  if (text.trim() === '') return bad('is empty')
  if (/\s/.test(text)) return bad('contains white space', `Write ${text.replace(/\s+/g, '')}.`)
  if (scheme !== '') return bad(`has a scheme (${scheme})`, `Write HOST:PORT alone: ${plain(rest)}.`)
  if (/[/?#]/.test(rest)) return bad('has a path', `Write HOST:PORT alone: ${plain(rest)}.`)
  if (rest.includes('@')) return bad('has a user name', `Write HOST:PORT alone: ${plain(rest)}.`)
  if (isIPv6(rest) || /^[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*$/i.test(rest))
    return bad('is an IPv6 address without brackets', 'Write [ADDRESS]:PORT, as in [::1]:7233.')
  const [, host = '', end] = /^(\[[^\]]*\]|[^:[\]]*)(.*)$/.exec(rest) ?? []
  if (end === undefined) return bad('is not HOST:PORT')
  if (host === '') return bad('has no host', `Write a host before the port: 127.0.0.1${end}.`)
  const name = host.replace(/^\[(.*)\]$/, '$1')
  if (host.startsWith('[') ? !isIPv6(name) : !isHostName(name)) return bad(`has an invalid host: "${host}"`)
  if (end === '' || end === ':') return bad('has no port', `Write the port too: ${host}:7233, for instance.`)
  const port = readPort(end.slice(1))
  if (!end.startsWith(':') || port === undefined)
    return bad(`has an invalid port: "${end.replace(/^:/, '')}"`, 'A port is a whole number from 1 to 65535.')
  return { host: name, port }
}

/** The address in a URL. */
const plain = (text: string): string => {
  const [place = ''] = text.replace(/^[^/?#]*@/, '').split(/[/?#]/)
  return /:\d+$/.test(place) ? place : `${place || 'HOST'}:7233`
}

/** A name as of DNS, or an IPv4 address. */
const isHostName = (name: string): boolean =>
  isIP(name) === 4 || (/^(?!-)[\w-]+(\.[\w-]+)*\.?$/.test(name) && name.length <= 253)

/** A port that one can connect to; undefined for any other text. */
export function readPort(text: string): number | undefined {
  const port = Number(text)
  return /^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535 ? port : undefined
}

export const isBad = (read: HostPort | BadAddress): read is BadAddress => 'problem' in read

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')
// Whoever connects to "any address" reaches this machine.
loopback.addAddress('0.0.0.0', 'ipv4')
loopback.addAddress('::', 'ipv6')

/** Whether the spelling of an address means this machine: no name is looked up. */
export function isLoopback(address: string): boolean {
  const read = parseAddress(address)
  if (isBad(read)) return false
  const kind = isIP(read.host)
  if (kind !== 0) return loopback.check(read.host, kind === 6 ? 'ipv6' : 'ipv4')
  // As resolvers read it: 127.1 is 127.0.0.1.
  return /^(?:(?:.+\.)?localhost\.?|127(?:\.\d+){1,3})$/i.test(read.host)
}
