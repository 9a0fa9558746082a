import { createServer } from 'node:net'

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

/** The port itself if nobody listens on it on loopback, else the next free one of the twenty after it, else any. */
export async function freePort(wanted: number): Promise<number> {
  for (let port = wanted; port <= wanted + 20; port++) {
    const found = await free(port)
    if (found !== undefined) return found
  }
  const any = await free(0)
  if (any === undefined) throw new Error('There is no free port on loopback')
  return any
}
