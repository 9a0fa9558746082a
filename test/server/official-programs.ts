import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheDirectory, packageRoot } from '../../store/paths.js'

const run = promisify(execFile)

/** Temporal's own server and the tool for its schema. */
export interface ServerPrograms {
  readonly server: string
  readonly sqlTool: string
}

/** Set to 1, it lets these programs be built: minutes, the first time. */
export const buildVariable = 'PUZZLEFLOW_TEST_POSTGRES'

/** Of the same version as the embedded server. */
function version(): string {
  const modules = readFileSync(join(packageRoot(), 'server/temporal-server/go.mod'), 'utf8')
  return /\tgo\.temporal\.io\/server (v\S+)/.exec(modules)![1]!
}

/** The programs, from the cache or built. @returns why there are none, if there are none */
export async function serverPrograms(): Promise<ServerPrograms | { readonly missing: string }> {
  const folder = join(cacheDirectory(), 'temporal-postgres', version())
  const found = { server: join(folder, 'temporal-server'), sqlTool: join(folder, 'temporal-sql-tool') }
  if (existsSync(found.server) && existsSync(found.sqlTool)) return found
  if (process.env[buildVariable] !== '1')
    return { missing: `Temporal's server is not built: set ${buildVariable}=1 once` }
  process.stderr.write(`building Temporal's server ${version()} for the test on PostgreSQL, once …\n`)
  mkdirSync(folder, { recursive: true })
  const building = mkdtempSync(join(folder, 'build-'))
  try {
    const env = { ...process.env, GOBIN: building, CGO_ENABLED: '0' }
    const packages = ['server', 'tools/sql'].map((name) => `go.temporal.io/server/cmd/${name}@${version()}`)
    await run('go', ['install', '-trimpath', '-ldflags', '-s -w', ...packages], { env, cwd: tmpdir() })
    renameSync(join(building, 'server'), found.server)
    renameSync(join(building, 'sql'), found.sqlTool)
    return found
  } finally {
    rmSync(building, { recursive: true, force: true })
  }
}
