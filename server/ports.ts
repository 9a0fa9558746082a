import { createServer } from 'node:net'
import { pause } from './processes.js'

const free = (port: number): Promise<number | undefined> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(undefined))
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address()
      const found = typeof address === 'object' && address ? address.port : undefined
      probe.close(() => resolve(found))
    })
  })

/** The port itself if nobody listens on it on loopback, else the next free one of the twenty after it, else any.
 *  @param patience  milliseconds to wait for the port itself: the kernel closes those of a killed process last */
export async function freePort(wanted: number, patience = 0): Promise<number> {
  for (const end = Date.now() + patience; Date.now() < end && (await free(wanted)) === undefined;) await pause(50)
  for (let port = wanted; port <= wanted + 20; port++) {
    const found = await free(port)
    if (found !== undefined) return found
  }
  const any = await free(0)
  if (any === undefined) throw new Error('There is no free port on loopback')
  return any
}
