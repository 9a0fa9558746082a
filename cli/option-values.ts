import { InvalidArgumentError } from 'commander'
import { isBad, parseAddress, readPort, type HostPort } from '../server/address.js'

/** Reads an option that must be a whole number. */
export const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`It must be a whole number, ${least} or more.`)
    return value
  }

/** The address of a server, as it is written. */
export function serverAddress(text: string): string {
  const read = parseAddress(text)
  if (isBad(read)) throw new InvalidArgumentError(`It ${read.problem}. ${read.remedy}`)
  return text
}

/** Reads an option that must be a port. */
export function portNumber(text: string): number {
  const port = readPort(text)
  if (port === undefined) throw new InvalidArgumentError('It must be a port: a whole number from 1 to 65535.')
  return port
}

/** `9464`, `0.0.0.0:9464` or `[::]:9464`; on this machine only unless it says otherwise. */
export function listenAddress(text: string): HostPort {
  if (/^\d*$/.test(text)) return { host: '127.0.0.1', port: portNumber(text) }
  const read = parseAddress(text)
  if (isBad(read)) throw new InvalidArgumentError(`It ${read.problem}. Write PORT or HOST:PORT, as in [::]:9464.`)
  return read
}

/** Reads an option that must be a number, 0 or more. */
export const positiveNumber = (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It must be a number, 0 or more.')
  return value
}
