import { Client, Connection } from '@temporalio/client'
import { rmSync } from 'node:fs'
import { inject } from 'vitest'
import { ensureServer, stopServer } from '../../server/index.js'
import { makeStateHome } from '../state-home.js'
import { Rig } from './rig.js'

/** Does something with a rig on a server of its own, which may be killed and is stopped at the end. */
export async function withOwnServer(
  work: (rig: Rig, server: { readonly address: string; readonly pid: number }) => Promise<void>,
): Promise<void> {
  const home = await makeStateHome()
  process.env.XDG_STATE_HOME = home
  let rig: Rig | undefined
  try {
    const { address, pid } = await ensureServer({ log: () => undefined })
    rig = await Rig.create({ address, client: new Client({ connection: await Connection.connect({ address }) }) })
    await work(rig, { address, pid: pid! })
  } finally {
    await rig?.close()
    await stopServer()
    process.env.XDG_STATE_HOME = inject('stateHome')
    rmSync(home, { recursive: true, force: true })
  }
}
