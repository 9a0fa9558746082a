import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Bucket } from '../../store/s3-bucket.js'

/** What a server of S3 answers: to each request in turn, the last again and again. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

/** More requests than this for one question: it goes on for ever. */
const mostRequests = 200

/** A server on loopback whose answers are what an input says. */
export class Answers {
  #answers: readonly Answer[] = []
  #requests = 0
  #bucket: Promise<Bucket> | undefined

  set(answers: readonly Answer[]): void {
    this.#answers = answers
    this.#requests = 0
  }

  get endless(): boolean {
    return this.#requests > mostRequests
  }

  /** Starts when it is first asked for. */
  bucket(): Promise<Bucket> {
    return (this.#bucket ??= this.#open())
  }

  async #open(): Promise<Bucket> {
    const server = createServer((_, response) => this.#answer(response))
    server.unref()
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
    const { port } = server.address() as AddressInfo
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      ...{ AWS_ACCESS_KEY_ID: 'fuzz', AWS_SECRET_ACCESS_KEY: 'fuzz', AWS_REGION: 'us-east-1' },
      ...{ AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_EC2_METADATA_DISABLED: 'true' },
    })
    return Bucket.open('s3://fuzz-bucket/store', 1)
  }

  #answer(response: ServerResponse): void {
    const { status, headers, body } = this.#answers[Math.min(this.#requests++, this.#answers.length - 1)]!
    if (this.endless) return void response.writeHead(404).end()
    try {
      response.writeHead(status, headers)
    } catch {
      // Node refuses headers with control characters.
      response.writeHead(status)
    }
    response.end(body)
  }
}
