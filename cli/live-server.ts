import { randomBytes } from 'node:crypto'
import { pathOf } from '../activities/request-path.js'
import { serveOnLoopback } from './loopback.js'

/** A page that changes, served on loopback. */
export interface LiveServer {
  readonly url: string
  /** Puts a page in the place of the one before. */
  show(version: string, page: string): void
  /** Waits until a browser has the page that is shown now, but not longer than this. */
  seen(milliseconds: number): Promise<void>
  close(): Promise<void>
}

/**
 * Serves a page to browsers of this user: its address contains a secret, since other users of the machine reach loopback, too.
 * @param port  0: any that is free
 * @throws Failure NoServer if the port cannot be used
 */
export async function serveLive(port: number): Promise<LiveServer> {
  const secret = `/${randomBytes(16).toString('hex')}`
  let shown = { version: '', page: '' }
  let fetched = (): void => undefined
  const server = await serveOnLoopback(port, (request, response) => {
    const answer = (status: number, body = '', type = 'text/plain') => {
      response.writeHead(status, {
        'content-type': `${type}; charset=utf-8`,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      })
      response.end(request.method === 'HEAD' ? '' : body)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405)
    const path = pathOf(request)
    if (path === `${secret}/version`) return answer(200, shown.version)
    if (path !== secret) return answer(404)
    answer(200, shown.page, 'text/html')
    fetched()
  })
  return {
    // With the slash, `version` is asked for below it.
    url: `http://127.0.0.1:${server.port}${secret}/`,
    show(version, page) {
      shown = { version, page }
    },
    seen: (milliseconds) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, milliseconds)
        fetched = () => {
          clearTimeout(timer)
          resolve()
        }
      }),
    close: () => server.close(),
  }
}
