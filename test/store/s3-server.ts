import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { lock } from 'proper-lockfile'
import { freePort } from '../../server/ports.js'
import { cacheDirectory } from '../../store/paths.js'
import { endChild } from '../processes.js'

const run = promisify(execFile)

/** An S3 server in Go, Apache-2.0: objects are files of a folder. */
const module = 'github.com/versity/versitygw/cmd/versitygw'
const version = 'v1.8.0'

/** The server's program, built through the Go module proxy at first use. @returns why there is none, if there is none */
export async function s3Program(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const folder = join(cacheDirectory(), 'versitygw', version)
  const path = join(folder, 'versitygw')
  mkdirSync(folder, { recursive: true })
  // Of several files of tests at the same time one builds, the others wait.
  const release = await lock(folder, { stale: 60_000, retries: { retries: 1200, factor: 1, minTimeout: 1000 } })
  try {
    return existsSync(path) ? { path } : await build(folder)
  } finally {
    await release()
  }
}

async function build(folder: string): Promise<{ readonly path: string } | { readonly missing: string }> {
  try {
    await run('go', ['version'])
  } catch {
    return { missing: 'there is no Go to build an S3 server' }
  }
  process.stderr.write(`building the S3 server of the tests (${module}@${version}), once …\n`)
  const building = mkdtempSync(join(folder, 'build-'))
  try {
    const env = { ...process.env, GOBIN: building, CGO_ENABLED: '0' }
    await run('go', ['install', '-trimpath', '-ldflags', '-s -w', `${module}@${version}`], { env, cwd: tmpdir() })
    renameSync(join(building, 'versitygw'), join(folder, 'versitygw'))
    return { path: join(folder, 'versitygw') }
  } catch (error) {
    return { missing: `the S3 server cannot be built: ${(error as { stderr?: string }).stderr ?? String(error)}` }
  } finally {
    rmSync(building, { recursive: true, force: true })
  }
}

/** An S3 server on loopback with one bucket, and the settings of AWS that lead to it. */
export class S3Server {
  readonly bucket = 'puzzle-bucket'
  private process: ChildProcess | undefined

  private constructor(
    private readonly program: string,
    readonly folder: string,
    readonly port: number,
  ) {}

  static async start(program: string): Promise<S3Server> {
    const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-s3-'))
    const server = new S3Server(program, folder, await freePort(17_000 + (process.pid % 1000) * 20))
    mkdirSync(join(folder, 'data', server.bucket), { recursive: true })
    mkdirSync(join(folder, 'metadata'))
    await server.resume()
    return server
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** What the SDK reads of the environment. */
  environment(endpoint = this.endpoint): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test-key',
      AWS_SECRET_ACCESS_KEY: 'test-secret-of-the-server',
      AWS_EC2_METADATA_DISABLED: 'true',
    }
  }

  /** The file of an object. */
  file(key: string): string {
    return join(this.folder, 'data', this.bucket, key)
  }

  /** Starts it, also after `crash`. */
  async resume(...options: string[]): Promise<void> {
    const storage = ['posix', '--sidecar', join(this.folder, 'metadata'), join(this.folder, 'data')]
    this.process = spawn(
      this.program,
      ['--quiet', '--port', `127.0.0.1:${this.port}`, '--health', '/health', ...options, ...storage],
      {
        stdio: 'ignore',
        env: { ...process.env, ROOT_ACCESS_KEY: 'test-key', ROOT_SECRET_KEY: 'test-secret-of-the-server' },
      },
    )
    for (let i = 0; i < 200; i++) {
      if (
        await fetch(`${this.endpoint}/health`).then(
          ({ ok }) => ok,
          () => false,
        )
      )
        return
      // The server says nowhere that it serves: it is asked until it answers.
      await pause(25)
    }
    throw new Error('the S3 server did not start')
  }

  /** Ends it as a power failure does. */
  async crash(): Promise<void> {
    await endChild(this.process)
  }

  async stop(): Promise<void> {
    await this.crash()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
