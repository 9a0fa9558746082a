import { Client, Connection } from '@temporalio/client'
import { inject } from 'vitest'
import { ensureServer } from '../server/index.js'

/** Time for a test with real processes, beside others on a busy machine. */
export const serverTimeout = 300_000

/** Takes out what a developer has set for servers of his own. */
export function forgetSettings(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) if (/^(TEMPORAL|PUZZLEFLOW)_/.test(name)) delete environment[name]
}

/**
 * The server of this run of tests: started by the first test that asks, stopped at the end of all. It is had as a user's
 * command has it, so a machine without any way to a server fails the tests.
 */
export async function testServer(): Promise<{ readonly address: string; readonly client: Client }> {
  process.env.XDG_STATE_HOME = inject('stateHome')
  forgetSettings(process.env)
  const { address } = await ensureServer({ log: (line) => process.stderr.write(`${line}\n`) })
  return { address, client: new Client({ connection: await Connection.connect({ address }) }) }
}
