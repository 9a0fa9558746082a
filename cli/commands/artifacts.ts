import type { Command } from 'commander'
import { copyFileSync, mkdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { collectGarbage, type Share } from '../../lineage/garbage.js'
import { originsOf, readRecords, type KnownRun } from '../../lineage/inventory.js'
import { needsOf } from '../../lineage/needs.js'
import { planDocument } from '../../lineage/plan-document.js'
import { signStore } from '../../lineage/sign.js'
import { verifyStore, type Damage } from '../../lineage/verify.js'
import { exitCodes, Failure } from '../../api/index.js'
import { describedTypes } from '../../plugins/loading/load.js'
import { parseQuantity } from '../../spec/units.js'
import { storeKeyVariable, type ArtifactRef } from '../../store/index.js'
import { findArtifact } from '../artifact-names.js'
import { action } from '../action.js'
import { describeBytes } from '../../errors/amounts.js'
import { common, type Common } from '../options.js'
import { placeWhole } from '../outcome.js'
import { log, print, printJson } from '../output.js'
import { openStore, readStore } from '../open-store.js'
import { readRun, readRuns } from '../runs.js'
import { runningAmong } from '../running.js'

interface GcOptions extends Common {
  readonly keep?: readonly string[]
  readonly olderThan: string
  readonly apply?: boolean
}

/** What lies in a store. */
export function artifactCommands(program: Command): void {
  const artifacts = program.command('artifacts').description('list, copy, check and clean up the artifacts of a store')

  common(
    artifacts.command('ls [run]').description('list the artifacts of a run, or all: kind, size, digest, task'),
  ).action(action(list))
  common(artifacts.command('get <what...>').description('copy an artifact: DIGEST, or RUN STAGE FILE'))
    .requiredOption('-o, --output <file>')
    .action(action(get))
  common(artifacts.command('verify').description('hash everything again, and set aside what is corrupt')).action(
    action(verify),
  )
  common(
    artifacts.command('sign').description(`sign what is in the store now with the key of ${storeKeyVariable}`),
  ).action(action(sign))
  common(artifacts.command('gc').description('remove what no kept run needs; without --apply, only list it'))
    .option('--keep <run...>', 'runs to keep, besides those in progress (default: all runs in the store)')
    .option('--older-than <time>', 'remove only what has not been used for this long: 90 min, 12 h, 3 d', '1 d')
    .option('--apply', 'actually remove it')
    .action(action(gc))
}

async function list(run: string | undefined, options: Common): Promise<void> {
  const store = await readStore(options)
  const runs = run === undefined ? await readRuns(store) : [await readRun(store, run)]
  const records = await readRecords(store)
  const origins = originsOf(records, runs)
  const wanted = run === undefined ? undefined : (await needsOf(store, records, runs[0]!, describedTypes)).artifacts
  const rows = []
  for await (const { digest, bytes } of store.artifacts()) {
    if (wanted && !wanted.has(digest)) continue
    const { kind = 'unknown', tasks = [] } = origins.get(digest) ?? {}
    rows.push({ kind, bytes, digest, tasks })
  }
  rows.sort((a, b) => (a.tasks[0] ?? '').localeCompare(b.tasks[0] ?? '') || a.digest.localeCompare(b.digest))
  if (options.json) return printJson(rows)
  for (const { kind, bytes, digest, tasks } of rows) {
    const more = tasks.length > 1 ? ` and ${tasks.length - 1} more` : ''
    print(`${digest.slice(0, 12)}  ${describeBytes(bytes).padStart(9)}  ${kind.padEnd(12)}  ${tasks[0] ?? '-'}${more}`)
  }
  print(`${rows.length} artifacts, ${describeBytes(rows.reduce((sum, { bytes }) => sum + bytes, 0))}`)
}

async function get(what: readonly string[], options: Common & { output: string }): Promise<void> {
  const store = await readStore(options)
  const ref: ArtifactRef = await findArtifact(store, what)
  const folder = dirname(options.output)
  mkdirSync(folder, { recursive: true })
  const from = await store.path(ref)
  placeWhole(folder, basename(options.output), (path) => copyFileSync(from, path))
  await store.release()
  if (options.json) printJson({ ...ref, output: options.output })
  else print(`${options.output}: ${ref.kind}, ${describeBytes(ref.bytes)}`)
}

async function verify(options: Common): Promise<void> {
  const store = await readStore(options)
  const verified = await verifyStore(store, await readRuns(store))
  const isSound = verified.corrupt.length + verified.badRecords.length + verified.notSigned.length === 0
  if (!isSound) process.exitCode = exitCodes.TaskFailed
  if (options.json) return printJson({ sound: isSound, ...verified })
  const tell = (state: string, { digest, kind = 'unknown', tasks = [] }: Damage) =>
    print(`${state}  ${digest}  ${kind}  ${tasks.join(', ') || '-'}`)
  verified.corrupt.forEach((damage) => tell('corrupt', damage))
  verified.missing.forEach((damage) => tell('missing', damage))
  verified.badRecords.forEach((key) => print(`corrupt  ${key}  record`))
  verified.notSigned.forEach((name) => print(`not signed  ${name}`))
  print(`${verified.artifacts} artifacts, ${describeBytes(verified.bytes)}, and ${verified.records} records read`)
  if (isSound && verified.missing.length === 0) print('Everything is intact.')
  else log('Run the searches that need them again: what is missing is computed again, everything else is reused.')
}

/** For a store that nobody else could write to until now: its records are its user's. */
async function sign(options: Common): Promise<void> {
  const store = await openStore(options, { warn: () => undefined })
  if (!store.signing)
    throw new Failure('InvalidInput', 'There is no key to sign with', {
      remedy: `Make one (\`openssl rand -hex 32 > FILE\`), and set ${storeKeyVariable} to its file.`,
    })
  const signed = await signStore(await readStore(options, true, { unsigned: true }), store)
  if (options.json) printJson(signed)
  else print(`${signed.records} records and ${signed.documents} documents are signed.`)
}

async function gc({ keep, olderThan, apply = false, ...options }: GcOptions): Promise<void> {
  const age = parseQuantity('duration', olderThan)
  if ('error' in age) throw new Failure('InvalidInput', `--older-than: ${age.error}`, { remedy: age.hint })
  // Whoever wrote a record: what it refers to is not garbage.
  const store = await readStore(options, true, { unsigned: true })
  const all = await readRuns(store)
  const wanted = keep && (await Promise.all(keep.map((name) => readRun(store, name))))
  const running = await runningAmong(all, options)
  const isKept = ({ run }: KnownRun) => !wanted || [...wanted, ...running].some((own) => own.run === run)
  const [kept, forgotten] = [all.filter(isKept), all.filter((run) => !isKept(run))]
  const unusedSince = Date.now() - Number(age.value) * 1000
  const garbage = await collectGarbage(store, describedTypes, { kept, running, unusedSince, apply })
  if (apply)
    for (const { run, plan } of forgotten) {
      await store.removeDocument(`runs/${run}`)
      if (!kept.some((own) => own.plan.digest === plan.digest)) await store.removeDocument(planDocument(plan.digest))
    }
  const names = (runs: readonly KnownRun[]) => runs.map(({ run }) => run)
  if (options.json)
    return printJson({
      applied: apply,
      runs: { kept: names(kept), running: names(running), forgotten: names(forgotten) },
      ...garbage,
    })
  const tell = (title: string, shares: readonly Share[]) => {
    if (shares.length > 0) print(title)
    for (const { kind, count, bytes } of shares)
      print(`  ${kind.padEnd(16)} ${String(count).padStart(7)}  ${describeBytes(bytes).padStart(9)}`)
  }
  tell(apply ? 'removed' : 'would be removed', garbage.removed)
  tell('kept', garbage.kept)
  print(`runs kept: ${names(kept).join(', ') || 'none'}`)
  if (running.length > 0) print(`of these, known to be in progress: ${names(running).join(', ')}`)
  if (forgotten.length > 0) print(`runs ${apply ? '' : 'that would be '}forgotten: ${names(forgotten).join(', ')}`)
  print(`${describeBytes(garbage.bytes)} ${apply ? 'removed.' : 'would be removed. Repeat with --apply to remove it.'}`)
}
