import { createServer, request, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What becomes of a request on its way to the server. */
export interface Fate {
  /** The connection breaks before the server sees it. */
  readonly lost?: boolean
  /** The connection breaks after so many bytes of the answer's body. */
  readonly cutAfter?: number
  /** The answer, in place of the server's: a status, and the code of an error of S3. */
  readonly refused?: readonly [status: number, code: string]
  /** Each piece of the body and of the answer waits for it. */
  readonly pace?: () => Promise<void>
}

/** A stretch of network between a client and a server on loopback, where tests decide what happens. */
export class Proxy {
  private constructor(
    private readonly server: Server,
    readonly requests: IncomingMessage[],
  ) {}

  /** @param fateOf  asked for each request, which waits for the answer */
  static async listen(port: number, fateOf: (request: IncomingMessage) => Fate | Promise<Fate>): Promise<Proxy> {
    const requests: IncomingMessage[] = []
    const server = createServer((incoming, outgoing) => {
      requests.push(incoming)
      void (async () => {
        const { lost, refused, cutAfter = Infinity, pace } = await fateOf(incoming)
        if (lost) return incoming.socket.destroy()
        if (refused) {
          outgoing.writeHead(refused[0], { 'content-type': 'application/xml' })
          return outgoing.end(`<?xml version="1.0"?><Error><Code>${refused[1]}</Code></Error>`)
        }
        const { method, url, headers } = incoming
        const onward = request({ host: '127.0.0.1', port, method, path: url, headers })
        onward.on('error', () => incoming.socket.destroy())
        onward.on('response', (answer) => {
          outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
          let passed = 0
          void (async () => {
            for await (const piece of answer) {
              await pace?.()
              const left = cutAfter - passed
              passed += (piece as Buffer).length
              outgoing.write((piece as Buffer).subarray(0, Math.max(0, left)))
              if (passed >= cutAfter) return outgoing.socket?.destroySoon()
            }
            outgoing.end()
          })().catch(() => incoming.socket.destroy())
        })
        for await (const piece of incoming) {
          await pace?.()
          onward.write(piece)
        }
        onward.end()
      })().catch(() => incoming.socket.destroy())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Proxy(server, requests)
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  close(): void {
    this.server.closeAllConnections()
    this.server.close()
  }
}
