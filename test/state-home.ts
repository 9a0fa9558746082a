import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { stopServer } from '../server/index.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** State directory (XDG_STATE_HOME) of the whole run of tests: the one server of all tests lives there. */
    readonly stateHome: string
  }
}

/** Around all tests: a state directory of their own. The server in it is started by the first test that needs it. */
export default function setup({ provide }: TestProject): () => Promise<void> {
  const stateHome = mkdtempSync(join(tmpdir(), 'puzzleflow-state-'))
  provide('stateHome', stateHome)
  return async () => {
    process.env.XDG_STATE_HOME = stateHome
    await stopServer()
    rmSync(stateHome, { recursive: true, force: true })
  }
}
