import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { stopServer } from '../server/index.js'
import { freePort } from '../server/ports.js'
import { findProgram } from '../server/programs.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** State directory (XDG_STATE_HOME) of the whole run of tests: the one server of all tests lives there. */
    readonly stateHome: string
  }
}

/**
 * Makes a state directory in which a server will start on ports of its own, away from the usual ones: as if it had been
 * there before. A server of somebody else that starts at the same time then does not take them.
 */
export async function makeStateHome(): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'puzzleflow-state-'))
  const folder = join(home, 'puzzleflow/server')
  mkdirSync(folder, { recursive: true })
  const at = async () => `127.0.0.1:${await freePort(20_000 + Math.floor(Math.random() * 10_000))}`
  writeFileSync(join(folder, 'server.json'), JSON.stringify({ address: await at(), uiAddress: `http://${await at()}` }))
  return home
}

/**
 * Around all tests: a state directory of their own. The server in it is started by the first test that needs it; its program
 * is made before, which takes minutes on a fresh machine.
 */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const say = (line: string) => process.stderr.write(`${line}\n`)
  // Most tests need none.
  await findProgram(say).catch((error: unknown) => say(`No Temporal server: ${(error as Error).message}`))
  const stateHome = await makeStateHome()
  provide('stateHome', stateHome)
  return async () => {
    process.env.XDG_STATE_HOME = stateHome
    await stopServer()
    rmSync(stateHome, { recursive: true, force: true })
  }
}
