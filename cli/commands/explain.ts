import type { Command } from 'commander'
import { nearestAmong } from '../../lineage/differences.js'
import { changesInWords } from '../../lineage/input-changes.js'
import { readRecords } from '../../lineage/inventory.js'
import { walk, withoutWriting, type KnownTask } from '../../lineage/walk.js'
import { Failure } from '../../api/index.js'
import { describedTypes } from '../../plugins/loading/load.js'
import type { FrozenPlan } from '../../spec/frozen-plan.js'
import type { Store, TaskRecord } from '../../store/index.js'
import { action } from '../action.js'
import { common, type Common } from '../options.js'
import { print, printJson } from '../output.js'
import { readStore } from '../open-store.js'
import { readRun, type RunDocument } from '../runs.js'

/** Why tasks ran or were reused. */
export function explainCommand(program: Command): void {
  common(program.command('explain <run> <task>').description('show why a task ran or was reused: STAGE/TASK')).action(
    action(async (run: string, name: string, options: Common) => {
      const store = await readStore(options)
      const document = await readRun(store, run)
      const plan = (await store.readJson(document.plan)) as FrozenPlan
      const { task, key, record } = await findTask(store, plan, name, document.given)
      const all = [...(await readRecords(store)).values()].map((own) => own.record)
      const records = all.filter((own) => own.key !== key.key)
      const before = record ? records.filter(({ finishedAt }) => finishedAt < record.finishedAt) : records
      const nearest = nearestAmong(before)(key.components)
      const words = nearest && (await changesInWords(nearest.differences, name.split('/')[0]!, { plan, store }))
      if (options.json)
        return printJson({
          task: name,
          key: key.key,
          done: record ? { at: record.finishedAt, seconds: record.seconds, host: record.host } : null,
          reused: record ? record.finishedAt < document.startedAt : false,
          components: key.components,
          nearest: nearest && {
            key: nearest.record.key,
            at: nearest.record.finishedAt,
            differences: nearest.differences,
          },
        })
      print(`${name}: ${task.label}`)
      print(`key ${key.key.slice(0, 12)}`)
      print(`${story(record, document.startedAt)}`)
      if (!nearest) print('No similar task has been done before.')
      else {
        print(
          `The most similar earlier task (${nearest.record.key.slice(0, 12)}, ${nearest.record.finishedAt}) differs in:`,
        )
        for (const line of words!) print(`  ${line}`)
      }
      print('The key consists of:')
      for (const [part, value] of Object.entries(key.components)) print(`  ${part}: ${short(value)}`)
    }),
  )
}

function story(record: TaskRecord | undefined, started: string): string {
  if (!record) return 'It has not been done: the store has no record of this key.'
  const when = `${record.seconds.toFixed(1)} s of work, done ${record.finishedAt} on ${record.host}`
  return record.finishedAt < started ? `It was reused: ${when}, before this run began.` : `It ran: ${when}.`
}

const short = (value: unknown): string => {
  const text = JSON.stringify(value).replace(/"([0-9a-f]{12})[0-9a-f]{52}"/g, '$1')
  return text.length > 300 ? `${text.slice(0, 297)}…` : text
}

async function findTask(store: Store, plan: FrozenPlan, name: string, given: RunDocument['given']): Promise<KnownTask> {
  const [stage, ...rest] = name.split('/')
  const id = rest.join('/')
  const remedy = 'Names are STAGE/TASK, as the Temporal UI shows them; STAGE alone for a stage of one task.'
  for await (const known of walk(plan, withoutWriting(store), await describedTypes(plan), given)) {
    if (known.planned.name !== stage) continue
    if (known.kind !== 'planned')
      throw new Failure('InvalidInput', `The tasks of stage ${stage} are not known yet`, { remedy })
    const found = known.tasks.find(({ task }) => task.id === (id || stage))
    if (found) return found
    const like = known.tasks.slice(0, 5).map(({ task }) => task.id)
    const more = known.tasks.length > like.length ? ', …' : '.'
    throw new Failure('InvalidInput', `Stage ${stage} has no task "${id}"`, {
      remedy: `It has ${like.join(', ')}${more}`,
    })
  }
  const stages = plan.stages.map((own) => own.name)
  throw new Failure('InvalidInput', `There is no stage "${stage}"`, { remedy: `Stages: ${stages.join(', ')}.` })
}
