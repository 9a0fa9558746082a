import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client'
import type { Command } from 'commander'
import { userInfo } from 'node:os'
import { Failure } from '../../api/index.js'
import { connect } from '../../server/index.js'
import type { Store } from '../../store/index.js'
import type { Approval } from '../../workflows/types.js'
import type { TaskName } from '../../workflows/messages.js'
import { action } from '../action.js'
import { wholeNumber } from '../option-values.js'
import { common, type Common } from '../options.js'
import { print, printJson } from '../output.js'
import { readStore } from '../open-store.js'
import { readRun, startAgain, type RunDocument } from '../runs.js'
import { typed } from '../typed.js'
import { withServer } from '../with-server.js'
import { ensureWorker } from '../workers.js'

/** Telling running searches what to do. Each is an update: the workflow checks it before it takes it. */
export function controlCommands(program: Command): void {
  const command = (words: string, text: string) => common(program.command(words).description(text))

  command('pause <run>', 'start no more tasks; running ones save a checkpoint and stop').action(
    action(async (run: string, options: Common) => update(run, options, 'pause')),
  )
  command('resume <run>', 'continue after a pause').action(
    action(async (run: string, options: Common) => update(run, options, 'resume')),
  )
  command('cancel <run>', 'end a run; finished work is kept').action(
    action(async (run: string, options: Common) => update(run, options, 'cancel')),
  )
  command('concurrency <run>', 'set how many tasks of a stage may run at the same time')
    .argument('<n>', 'a whole number', wholeNumber(1))
    .action(action(async (run: string, n: number, options: Common) => update(run, options, 'concurrency', n)))
  command('retry <run> <task>', 'try a task again now: STAGE/TASK').action(
    action(async (run: string, task: string, options: Common) =>
      update(run, options, 'retry', { task } satisfies TaskName),
    ),
  )
  command('skip <run> <task>', 'leave a task out of its stage: STAGE/TASK')
    .option('--reason <text>', 'reason to give in the report')
    .action(
      action(async (run: string, task: string, options: Common & { reason?: string }) => {
        const { reason } = options
        return update(run, options, 'skip', { task, ...(reason === undefined ? {} : { reason }) })
      }),
    )
  command('approve <run> <stage>', 'answer a stage that waits for approval')
    .option('--refuse', 'refuse: the run ends')
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
  const store = await readStore(options)
  const document = await readRun(store, run)
  const answer = await withServer(options, ({ address }) => tell(store, document, address, name, args))
  if (options.json) printJson({ run, [name]: args[0] ?? true, answer })
  else print(answer)
}

/** Has a run take an update. @returns what it answers  @throws Failure InvalidInput where it does not take it */
async function tell(
  store: Store,
  document: RunDocument,
  address: string,
  name: string,
  args: readonly unknown[],
): Promise<string> {
  const { run, workflowId } = document
  const client = await connect(address)
  const handle = client.workflow.getHandle(workflowId)
  try {
    const { status } = await handle.describe()
    if (status.name !== 'RUNNING') throw notRunning(document, status.name)
    // Without a worker nobody answers.
    await ensureWorker(store, address)
    return await handle.executeUpdate<string, [unknown]>(name, {
      // As many as the update has: its validator checks them.
      args: args as [unknown],
    })
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError)
      throw new Failure('InvalidInput', `${run}: ${(error.cause ?? error).message}`, {
        remedy: `See where it stands: \`${typed('status', run)}\`.`,
      })
    if (error instanceof WorkflowNotFoundError) throw notRunning(document, 'unknown')
    throw error
  } finally {
    await client.connection.close()
  }
}

/** Why a run takes no message, by the state that Temporal reports for it. */
function notRunning(document: RunDocument, state: string): Failure {
  const why = new Map([
    ['COMPLETED', 'has ended, and takes no more messages'],
    ['CANCELLED', 'was cancelled'],
    ['FAILED', 'has failed'],
    ['TERMINATED', 'was terminated'],
    ['TIMED_OUT', 'ran out of time'],
  ]).get(state)
  const again = `\`${startAgain(document)}\``
  const remedy =
    state === 'COMPLETED'
      ? `See what it found with \`${typed('result', document.run)}\`, or run it again with ${again}.`
      : `Start it with ${again}.`
  return new Failure('InvalidInput', `The run "${document.run}" ${why ?? 'is not running'}`, { remedy })
}
