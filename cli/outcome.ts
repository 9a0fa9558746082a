import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { withEvidence } from '../model/index.js'
import type { ArtifactRef, JsonObject, Outputs } from '../api/index.js'
import { Failure } from '../api/index.js'
import { isFileName } from '../errors/inner-path.js'
import type { Store } from '../store/index.js'
import { exitCodes } from './exit-codes.js'
import { checkRunName } from './run-name.js'
import { setAside } from './set-aside.js'
import { startAgain, type RunDocument } from './runs.js'
import { typed } from './typed.js'

/** Outputs of a run's stages. */
export async function outputsOf(store: Store, document: RunDocument): Promise<Record<string, Outputs>> {
  if (!document.outputs)
    throw new Failure('InvalidInput', `The run "${document.run}" has no result yet`, {
      remedy: `See where it stands with \`${typed('status', document.run)}\`, or continue it: \`${startAgain(document)}\`.`,
    })
  const entries = Object.entries(document.outputs).map(
    async ([name, ref]) => [name, (await store.readJson(ref)) as Outputs] as const,
  )
  return Object.fromEntries(await Promise.all(entries))
}

/** The result of a run: what a stage left as file `result`, or the values of all stages. */
export const resultOf = async (store: Store, document: RunDocument): Promise<JsonObject> =>
  resultAmong(await outputsOf(store, document), store, document)

/** The same of outputs that were read already. */
export async function resultAmong(
  outputs: Readonly<Record<string, Outputs>>,
  store: Store,
  document: RunDocument,
): Promise<JsonObject> {
  const head = { run: document.run, specDigest: document.specDigest }
  const result = Object.values(outputs).find(({ files }) => files.result)?.files.result
  if (result) return { ...head, ...((await store.readJson(result)) as JsonObject) }
  return { ...head, stages: Object.fromEntries(Object.entries(outputs).map(([name, { values }]) => [name, values])) }
}

/** What a stage said about a run that has not found what it was to find; undefined of one that has. Such a run gives the command
 *  a special exit code. */
export function notAccepted({ outcome }: RunDocument): string | undefined {
  if (outcome?.ok !== false) return undefined
  process.exitCode = exitCodes.NotAccepted
  return outcome.text
}

/** Puts a file into a folder whole. @param fill  writes it at a path where nothing is */
export function placeWhole(folder: string, name: string, fill: (path: string) => void): void {
  // A link of this name would lead elsewhere what is written.
  rmSync(join(folder, `${name}.tmp`), { recursive: true, force: true })
  fill(join(folder, `${name}.tmp`))
  renameSync(join(folder, `${name}.tmp`), join(folder, name))
}

/**
 * Where a user finds what came of a run.
 * @throws Failure InvalidInput if a link leads elsewhere: the current folder may have come with somebody else's files
 */
export function outcomeFolder(run: string): string {
  checkRunName(run)
  for (const folder of [resolve('runs'), resolve('runs', run)])
    if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink())
      throw new Failure('InvalidInput', `${folder} is a symbolic link, which is not followed`, {
        file: folder,
        remedy: 'Results are written below the current folder: remove the link, or start from another folder.',
      })
  return resolve('runs', run)
}

/** Writes what a user keeps of a run to `runs/RUN`: result.json, what stages made for people, the exported child: a folder
 *  and, where there is one, a GGUF file next to it. The result of another spec of this name is set aside. */
export async function writeOutcome(
  store: Store,
  document: RunDocument,
): Promise<{ folder: string; report?: string; child?: string; aside?: string }> {
  const folder = outcomeFolder(document.run)
  mkdirSync(folder, { recursive: true })
  const aside = setAside(folder, document.specDigest)
  const copy = async (name: string, ref: ArtifactRef) => {
    const from = await store.path(ref)
    placeWhole(folder, name, (path) => cpSync(from, path))
  }
  const outputs = await outputsOf(store, document)
  const result = `${JSON.stringify(await resultAmong(outputs, store, document), null, 2)}\n`
  placeWhole(folder, 'result.json', (path) => writeFileSync(path, result))
  const pages = pagesOf(outputs)
  for (const [name, ref] of pages) await copy(name, ref)
  const markdown = pages.find(([name]) => name === 'report.md')?.[1]
  const page = markdown && readFileSync(await store.path(markdown), 'utf8')
  const report = pages.find(([name]) => name.startsWith('report.'))?.[0]
  const exported = Object.values(outputs).find(({ files }) => isCheckpoint(files))
  if (exported) {
    const child = join(folder, 'child')
    rmSync(`${child}.tmp`, { recursive: true, force: true })
    mkdirSync(`${child}.tmp`)
    for (const [name, ref] of Object.entries(exported.files))
      if (!isFileName(name)) continue
      else if (ref.kind === 'gguf') await copy(name, ref)
      else cpSync(await store.path(ref), join(`${child}.tmp`, name))
    addEvidence(join(`${child}.tmp`, 'README.md'), document, exported.files, page)
    rmSync(child, { recursive: true, force: true })
    renameSync(`${child}.tmp`, child)
  }
  return {
    folder,
    ...(aside !== undefined && { aside }),
    ...(report === undefined ? {} : { report: join(folder, report) }),
    ...(exported ? { child: join(folder, 'child') } : {}),
  }
}

/** Whether a stage's files are a checkpoint, in one file or in shards: the child. */
const isCheckpoint = (files: Outputs['files']): boolean =>
  files['config.json'] !== undefined &&
  (files['model.safetensors'] ?? files['model.safetensors.index.json']) !== undefined

/** Puts what a search found out about its child into the child's card: the page that the report stage made of it, what it
 *  was made from, and digests of its files. */
function addEvidence(
  card: string,
  { run, specDigest }: RunDocument,
  files: Readonly<Record<string, ArtifactRef>>,
  page: string | undefined,
): void {
  if (!existsSync(card) || page === undefined) return
  const weights = Object.entries(files).filter(([name]) => /\.(safetensors|gguf)$/.test(name) || name === 'config.json')
  const origin = [
    '## Origin',
    '',
    `Run \`${run}\` of puzzleflow, spec \`${specDigest}\`.`,
    '',
    '| file | digest |',
    '|---|---|',
    ...weights.map(([name, { digest }]) => `| ${name} | \`${digest}\` |`),
    '',
  ].join('\n')
  writeFileSync(card, withEvidence(readFileSync(card, 'utf8'), `${page.trim()}\n\n${origin}`))
}

/** Files that stages made for people: `report.*`, and what is of kind `report`. Where two have the same name, the later
 *  one's stage goes before it. */
function pagesOf(outputs: Readonly<Record<string, Outputs>>): readonly (readonly [name: string, ref: ArtifactRef])[] {
  const pages = new Map<string, ArtifactRef>()
  for (const [stage, { files }] of Object.entries(outputs))
    for (const [name, ref] of Object.entries(files)) {
      if (!isFileName(name) || !(name.startsWith('report.') || ref.kind === 'report')) continue
      const taken = pages.has(name) || name === 'result.json' || name === 'child'
      pages.set(taken ? `${stage}.${name}` : name, ref)
    }
  return [...pages]
}
