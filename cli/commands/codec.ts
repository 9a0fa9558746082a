import { InvalidArgumentError, type Command } from 'commander'
import type { IncomingMessage } from 'node:http'
import { pathOf } from '../../activities/request-path.js'
import { Failure } from '../../api/index.js'
import { keyFileVariable, payloadCodec, type EncryptingCodec } from '../../server/index.js'
import { action } from '../action.js'
import { serveOnLoopback } from '../loopback.js'
import { portNumber } from '../option-values.js'
import { common, type Common } from '../options.js'
import { log, printJson } from '../output.js'

/** Payloads as the Temporal UI sends them: bytes as base64. */
interface JsonPayload {
  readonly metadata?: Readonly<Record<string, string>>
  readonly data?: string
}

/** Bytes of a request at most. */
const mostBytes = 16 * 2 ** 20

/** Lets the Temporal UI show what is encrypted. */
export function codecCommand(program: Command): void {
  common(program.command('codec').description('decrypt payloads for the Temporal UI, on loopback'))
    .option('--port <n>', 'port to listen on', portNumber, 8888)
    .option('--origin <url>', 'origin of the UI that may use it', originOf, 'http://127.0.0.1:8233')
    .action(
      action(async ({ port, origin, json }: Common & { port: number; origin: string }) => {
        const codec = payloadCodec()
        if (!codec)
          throw new Failure('InvalidInput', 'There is no key to decrypt with', {
            remedy: `Set ${keyFileVariable} to the file with the key.`,
          })
        await serve(codec, port, origin)
        if (json) printJson({ endpoint: `http://127.0.0.1:${port}`, origin })
        log(`Codec at http://127.0.0.1:${port}: set it as the codec server in the UI at ${origin}. Ctrl-C ends it.`)
      }),
    )
}

/** The origin of a page at an address, as browsers send it. */
function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new InvalidArgumentError('It must be the URL of the UI, as in http://127.0.0.1:8233.')
  return url.origin
}

async function serve(codec: EncryptingCodec, port: number, origin: string): Promise<void> {
  await serveOnLoopback(port, (request, response) => {
    const answer = (status: number, body = '') => {
      response.writeHead(status, {
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'POST',
        'access-control-allow-headers': 'content-type, x-namespace',
        'access-control-allow-credentials': 'true',
        'content-type': 'application/json',
        ...(status === 405 ? { allow: 'POST, OPTIONS' } : {}),
      })
      response.end(body)
    }
    if (request.method === 'OPTIONS') return answer(204)
    // A page of another origin must not read what it makes a browser send.
    if (request.headers.origin !== undefined && request.headers.origin !== origin) return answer(403)
    if (pathOf(request) !== '/decode') return answer(404)
    if (request.method !== 'POST') return answer(405)
    decode(request, codec).then(
      (payloads) => answer(200, JSON.stringify({ payloads })),
      (error: Error) => answer(400, JSON.stringify({ message: error.message })),
    )
  })
}

async function decode(request: IncomingMessage, codec: EncryptingCodec): Promise<JsonPayload[]> {
  let text = ''
  for await (const chunk of request as AsyncIterable<Buffer>) {
    text += chunk.toString()
    if (text.length > mostBytes) throw new Error('The request is too large')
  }
  const { payloads = [] } = JSON.parse(text) as { payloads?: readonly JsonPayload[] }
  const bytes = (base64: string) => Buffer.from(base64, 'base64')
  const decoded = await codec.decode(
    payloads.map(({ metadata = {}, data = '' }) => ({
      metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, bytes(value)])),
      data: bytes(data),
    })),
  )
  const base64 = (value: Uint8Array) => Buffer.from(value).toString('base64')
  return decoded.map(({ metadata, data }) => ({
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value)])),
    data: base64(data ?? new Uint8Array()),
  }))
}
