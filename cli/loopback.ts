import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Failure } from '../api/index.js'

/** Hosts that a request for a server on loopback may name. */
const isThisMachine = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i

/** A server that only this machine reaches. */
export interface LoopbackServer {
  readonly port: number
  close(): Promise<void>
}

/**
 * Serves HTTP on loopback. A request that names another host is refused: a page's own host may have been given the address of
 * this machine.
 * @param port  0: any that is free
 * @throws Failure NoServer if the port cannot be used
 */
export async function serveOnLoopback(
  port: number,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<LoopbackServer> {
  const server = createServer((request, response) => {
    if (isThisMachine.test(request.headers.host ?? '')) return answer(request, response)
    response.writeHead(403)
    response.end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new Failure('NoServer', `Port ${port} cannot be used: ${error.message}`, {
          remedy: 'Choose another: --port N.',
        }),
      ),
    )
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
