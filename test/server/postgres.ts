import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../server/ports.js'
import { pause } from '../../server/processes.js'
import { endChild } from '../processes.js'

const run = promisify(execFile)
const programs = ['initdb', 'postgres', 'psql', 'pg_dump'] as const

/** Folder of PostgreSQL's programs; Debian does not put all of them on PATH. */
export function postgresFolder(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  return folders.find((folder) => folder !== '' && programs.every((name) => existsSync(join(folder, name))))
}

/** PostgreSQL does not run as root: as nobody then. */
const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

/** Temporal's schema keeps ports of its services in two bytes with a sign: they must stay below 32768. */
const firstPort = 10_000 + (process.pid % 700) * 10

/** A cluster of PostgreSQL of its own, on loopback, with a password. */
export class Postgres {
  readonly user = 'temporal'
  readonly password = randomBytes(12).toString('hex')
  private process: ChildProcess | undefined

  private constructor(
    private readonly programs: string,
    private readonly folder: string,
    readonly port: number,
  ) {}

  static async start(programs: string): Promise<Postgres> {
    const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-postgres-'))
    const server = new Postgres(programs, folder, await freePort(firstPort))
    const data = join(folder, 'data')
    mkdirSync(data, { mode: 0o700 })
    const passwordFile = join(folder, 'password')
    writeFileSync(passwordFile, server.password)
    if (nobody.uid !== undefined)
      for (const path of [folder, data, passwordFile]) chownSync(path, nobody.uid, nobody.gid)
    chmodSync(folder, 0o700)
    const secret = ['--auth', 'scram-sha-256', '--pwfile', passwordFile]
    const options = ['--username', server.user, ...secret, '--encoding', 'UTF8', '--locale', 'C', '--no-sync']
    await run(join(programs, 'initdb'), ['-D', data, ...options], { ...nobody, cwd: folder })
    server.process = spawn(
      join(programs, 'postgres'),
      ['-D', data, '-p', `${server.port}`, '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
      { ...nobody, cwd: folder, stdio: 'ignore' },
    )
    for (;;) {
      if (server.process.exitCode !== null) throw new Error('PostgreSQL did not start')
      if (await server.ask('postgres', 'select 1').catch(() => false)) return server
      // PostgreSQL says nowhere that it serves: it is asked until it answers.
      await pause(50)
    }
  }

  /** What a query answers, a line each row. */
  async ask(database: string, query: string): Promise<string> {
    return this.call('psql', ['-d', database, '-AtXc', query])
  }

  /** All rows of a database. Columns of bytes are in hexadecimal. */
  async dump(database: string): Promise<string> {
    return this.call('pg_dump', ['--data-only', '--inserts', database])
  }

  private async call(program: string, args: readonly string[]): Promise<string> {
    const env = {
      ...process.env,
      PGHOST: '127.0.0.1',
      PGPORT: `${this.port}`,
      PGUSER: this.user,
      PGPASSWORD: this.password,
    }
    return (await run(join(this.programs, program), args, { env, maxBuffer: 1 << 30 })).stdout
  }

  async stop(): Promise<void> {
    // At once, and without leaving shared memory behind.
    await endChild(this.process, 'SIGQUIT')
    rmSync(this.folder, { recursive: true, force: true })
  }
}
