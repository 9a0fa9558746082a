import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client'
import type { Command } from 'commander'
import { userInfo } from 'node:os'
import { Failure } from '../../plugins/api/index.js'
import { connect, ensureServer } from '../../server/index.js'
import type { Approval, TaskName } from '../../workflows/messages.js'
import { action, common, log, openStore, print, printJson, wholeNumber, type Common } from '../common.js'
import { addressOf } from '../address.js'
import { readRun } from '../runs.js'
import { ensureWorker } from '../workers.js'

/** Telling running searches what to do. Each is an update: the workflow checks it before it takes it. */
export function controlCommands(program: Command): void {
  const command = (words: string, text: string) => common(program.command(words).description(text))

  command('pause <run>', 'begin no task; running ones save a checkpoint and stop').action(
    action(async (run: string, options: Common) => update(run, options, 'pause')),
  )
  command('resume <run>', 'go on after a pause').action(
    action(async (run: string, options: Common) => update(run, options, 'resume')),
  )
  command('cancel <run>', 'end a run; what is finished is kept').action(
    action(async (run: string, options: Common) => update(run, options, 'cancel')),
  )
  command('concurrency <run>', 'tasks of a stage in flight at once')
    .argument('<n>', 'a whole number', wholeNumber(1))
    .action(action(async (run: string, n: number, options: Common) => update(run, options, 'concurrency', n)))
  command('retry <run> <task>', 'try a task again now: STAGE/TASK').action(
    action(async (run: string, task: string, options: Common) =>
      update(run, options, 'retry', { task } satisfies TaskName),
    ),
  )
  command('skip <run> <task>', 'leave a task out of its stage: STAGE/TASK')
    .option('--reason <text>', 'why, for the report')
    .action(
      action(async (run: string, task: string, options: Common & { reason?: string }) => {
        const { reason } = options
        return update(run, options, 'skip', { task, ...(reason === undefined ? {} : { reason }) })
      }),
    )
  command('approve <run> <stage>', 'answer a stage that waits for approval')
    .option('--refuse', 'the answer is no: the run ends')
    .option('--comment <text>')
    .action(
      action(async (run: string, stage: string, options: Common & { refuse?: boolean; comment?: string }) => {
        const { refuse, comment } = options
        const answer: Approval = {
          stage,
          approved: refuse !== true,
          by: userInfo().username,
          ...(comment === undefined ? {} : { comment }),
        }
        return update(run, options, 'approve', answer)
      }),
    )
}

async function update(run: string, options: Common, name: string, ...args: unknown[]): Promise<void> {
  const store = await openStore(options)
  const document = await readRun(store, run)
  const { address } = await ensureServer({ address: addressOf(options), log })
  const client = await connect(address)
  try {
    // Without a worker nobody answers.
    await ensureWorker(store, address)
    const answer: string = await client.workflow.getHandle(document.workflowId).executeUpdate<string, [unknown]>(name, {
      // As many as the update has: its validator checks them.
      args: args as [unknown],
    })
    if (options.json) printJson({ run, [name]: args[0] ?? true, answer })
    else print(answer)
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError)
      throw new Failure('InvalidInput', `${run}: ${(error.cause ?? error).message}`, {
        remedy: `See where it stands: puzzleflow status ${run}.`,
      })
    if (error instanceof WorkflowNotFoundError)
      throw new Failure('InvalidInput', `The run "${run}" is not running`, {
        remedy: `Start it with \`puzzleflow run ${document.specFile} --run ${run}\`.`,
      })
    throw error
  } finally {
    await client.connection.close()
  }
}
