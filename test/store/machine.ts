import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Done, RunOptions } from './plan-run.js'
import { temporaryFolder } from '../temporary-folder.js'

const run = promisify(execFile)
const compiled = (path: string) => fileURLToPath(new URL(`../../dist/${path}`, import.meta.url))

/** A machine with folders of its own, sharing only the store with others. */
export class Machine {
  readonly home = temporaryFolder('machine')
  readonly environment: NodeJS.ProcessEnv

  constructor(extra: Readonly<Record<string, string>> = {}) {
    const folders = { XDG_CACHE_HOME: join(this.home, 'cache'), XDG_STATE_HOME: join(this.home, 'state') }
    this.environment = { ...process.env, HOME: this.home, npm_command: 'exec', ...folders, ...extra }
  }

  /** Does a run of the plan of tiny-stages.ts. @param crash  the task whose process is killed in the middle */
  async run(location: string, options: RunOptions = {}, crash = ''): Promise<Done> {
    const args = [compiled('test/store/run-plan.js'), location, JSON.stringify(options)]
    const { stdout } = await run(process.execPath, args, { env: { ...this.environment, PUZZLEFLOW_TEST_CRASH: crash } })
    return JSON.parse(stdout) as Done
  }

  /** Runs the command. */
  async puzzleflow(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    try {
      const options = { env: this.environment, cwd: this.home }
      return { code: 0, ...(await run(process.execPath, [compiled('cli/main.js'), ...args], options)) }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      return { code, stdout, stderr }
    }
  }
}
