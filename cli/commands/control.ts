import type { Command } from 'commander'
import { ensureServer } from '../../server/index.js'
import { action, addressOf, common, log, openStore, print, printJson, type Common } from '../common.js'
import { connect, readRun } from '../runs.js'

/** Telling runs what to do. */
export function controlCommands(program: Command): void {
  common(program.command('cancel <run>').description('end a run; what is finished is kept')).action(
    action(async (run: string, options: Common) => {
      const document = await readRun(await openStore(options), run)
      const { address } = await ensureServer({ address: addressOf(options), log })
      const client = await connect(address)
      await client.workflow.getHandle(document.workflowId).cancel()
      await client.connection.close()
      if (options.json) printJson({ run, cancelled: true })
      else print(`Cancelling ${run}.`)
    }),
  )
}
