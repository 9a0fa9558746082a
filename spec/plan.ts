import { statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { isAbsolute, normalize } from 'node:path/posix'
import type { JsonObject } from '../api/block.js'
import { isObject } from '../api/json-object.js'
import { readSchema } from '../schemas/read.js'
import { digestJson, type Digest } from '../store/digest.js'
import { checkDag } from './dag.js'
import { sortDiagnostics, suggest, type Diagnostic } from './diagnostics.js'
import { readDocument, type SourceDocument } from './document.js'
import type { FrozenPlan, PlannedStage } from './frozen-plan.js'
import { misplacedExpressions } from './expressions.js'
import { digestPath, type Listing, type Listings } from './input-digests.js'
import { checkPath } from './input-paths.js'
import { checkInputs, distinct, plannedBlock, resolvePaths, type PathUse } from './inputs.js'
import { applySpecStages, readPipeline, type Pipeline, type StageNode } from './pipeline.js'
import type { Registry, StageInfo } from './registry.js'
import { openPrograms, programsIn, type ProgramUse } from './programs.js'
import { overridesFile, overridesText, withOverrides } from './overrides.js'
import { specPlugins, withoutMissing } from './plugins.js'
import { pointer } from './source-map.js'
import { readSpecText } from './spec-text.js'
import { explainTraps } from './traps.js'
import { checkValue, setValue } from './validate.js'

export interface CompiledSpec {
  /** All mistakes, in the order of the text; warnings where there are none. */
  readonly diagnostics: readonly Diagnostic[]
  /** Absent when there are mistakes. */
  readonly plan?: FrozenPlan
  /** By the digest of a folder that the spec names: the files that are read of it. */
  readonly listings?: Listings
  /** Files and folders that the spec names, and the files that are read of them: the plan is the same as long as they are. */
  readonly read?: readonly string[]
}

const envelope = readSchema('spec')

/**
 * Reads a spec and everything that it names, and freezes it. Mistakes of the user are diagnostics, all of them at once.
 * @param file       path of the spec; relative paths in it start from its folder
 * @param overrides  values laid over those of the spec, such as `stages.distill.tokens=20k`
 * @throws Failure when a plugin's schema is wrong
 */
export async function compileSpec(
  file: string,
  registry: Registry,
  overrides: readonly string[] = [],
): Promise<CompiledSpec> {
  const read = await readSpecText(file)
  return 'text' in read ? compileText(file, read.text, registry, overrides) : { diagnostics: [read.problem] }
}

/** The same for a text that is not, or not yet, in the file. */
export async function compileText(
  file: string,
  text: string,
  registry: Registry,
  overrides: readonly string[] = [],
): Promise<CompiledSpec> {
  const spec = withOverrides(readDocument(file, text), overrides)
  const diagnostics = [...spec.diagnostics]
  let report = (diagnostic: Diagnostic): void => void diagnostics.push(diagnostic)
  const texts = [spec, { file: overridesFile, text: overridesText(overrides) }]
  const done = (): CompiledSpec => ({
    diagnostics: texts.reduce(explainTraps, sortDiagnostics(withoutEchoes(diagnostics, spec))),
  })
  if (spec.unreadable || Object.keys(spec.data).length === 0) return done()

  const head = checkEnvelope(spec, report)
  // All else is needed before any stage has run.
  const misplaced = misplacedExpressions(spec.data, isOfStage(spec.data))
  for (const { path, ...problem } of misplaced) report(spec.map.diagnose(pointer(path), 'value', problem))
  if (misplaced.length > 0) return done()
  const { registry: all, plugins, complete } = await specPlugins(spec, registry, report)
  if (!complete) report = withoutMissing(report)
  const pipeline = readPipeline(spec, all, report)
  if (!pipeline) return done()
  checkKeys(spec, pipeline, report)
  const { inputs, blocks, runs, paths } = checkInputs(spec, pipeline.inputs, all, report)
  const { stages, leftOut } = applySpecStages(pipeline, spec, report)
  const { order, needs } = checkDag(stages, leftOut, report)
  const planned = order.map((node, i) => planStage(node, i, needs.get(node.name)!, pipeline, all, report))
  const used = [...paths, ...planned.flatMap((stage) => stage.paths)]
  for (const path of used) {
    const problem = await checkPath(path.absolute, path.written, path.kind, all.contents?.[path.kind])
    if (problem) report(path.diagnose(problem))
  }
  openPrograms(
    planned.flatMap((stage) => stage.programs),
    all,
    report,
  )
  const inspected =
    diagnostics.length === 0
      ? await all.inspect?.(
          inputs,
          planned.map(({ stage }) => stage),
        )
      : undefined
  const warnings: Diagnostic[] = []
  for (const { path, severity, ...problem } of inspected?.problems ?? []) {
    const diagnostic = spec.map.diagnose(pointer(path), 'value', problem)
    if (severity === undefined) report(diagnostic)
    else warnings.push({ ...diagnostic, severity })
  }
  if (diagnostics.length > 0) return done()

  const { inputDigests, listings } = await digestInputs(used, all, report)
  if (diagnostics.length > 0) return done()
  const body = {
    version: 1 as const,
    name: head.data.name as string,
    pipeline: pipeline.name,
    seed: head.data.seed as number,
    inputs,
    inputDigests,
    stages: planned.map(({ stage }) => stage),
    blocks: distinct([
      ...blocks,
      ...(inspected?.blocks ?? []).map(({ slot, name }) => plannedBlock(slot, all.blocks.get(slot, name)!)),
    ]),
    ...(runs.length > 0 && { runs }),
    ...(inspected?.family && { family: inspected.family }),
    ...(inspected?.otherHead && { otherHead: inspected.otherHead }),
    plugins,
  }
  const digest = digestJson(asWritten(body, used))
  const plan = { ...body, specFile: resolve(file), digest }
  return { diagnostics: sortDiagnostics(warnings), plan, listings, read: filesRead(used, inputDigests, listings) }
}

/** What decides on the contents of paths. A new file in a folder may count, too. */
function filesRead(
  used: readonly PathUse[],
  digests: Readonly<Record<string, Digest>>,
  listings: Listings,
): readonly string[] {
  const all = new Set<string>()
  for (const { name, absolute, kind } of used) {
    all.add(absolute)
    // Parts of a model lie beside each other.
    if (kind === 'model') all.add(dirname(absolute))
    const folder = statSync(absolute, { throwIfNoEntry: false })?.isDirectory() === true ? absolute : dirname(absolute)
    for (const file of Object.keys(listings.get(digests[name]!) ?? {})) {
      const path = join(folder, file)
      all.add(path)
      for (let at = dirname(path); at.length >= folder.length; at = dirname(at)) all.add(at)
    }
  }
  return [...all]
}

/** Whether a path of a spec is a stage's parameter, or the pipeline's, which is checked on its own. */
function isOfStage({ stages }: JsonObject): (path: readonly (string | number)[]) => boolean {
  return ([key, name, part]) => {
    if (key !== 'stages' || name === undefined) return key === 'pipeline'
    const stage = isObject(stages) ? stages[name] : undefined
    return isObject(stage) && 'uses' in stage ? part === 'with' : part !== undefined
  }
}

/** Leaves out mistakes at values that could not be read: those have been reported already. */
function withoutEchoes(diagnostics: readonly Diagnostic[], spec: SourceDocument): readonly Diagnostic[] {
  const place = ({ file, line, column }: Diagnostic) => `${file}:${line}:${column}`
  const told = new Set(spec.diagnostics.map(place))
  return diagnostics.filter((own) => spec.diagnostics.includes(own) || !told.has(place(own)))
}

function checkEnvelope(spec: SourceDocument, report: (diagnostic: Diagnostic) => void) {
  const checked = checkValue(envelope, spec.data)
  for (const finding of checked.findings) report(spec.map.diagnose(finding.at, finding.where, finding))
  return checked
}

/** Top-level keys are the envelope's and the pipeline's. */
function checkKeys(spec: SourceDocument, { name, inputs }: Pipeline, report: (diagnostic: Diagnostic) => void): void {
  const known = Object.keys(envelope.properties as object)
  const declared = Object.keys(inputs.properties)
  for (const key of Object.keys(spec.data)) {
    if (known.includes(key) || declared.includes(key)) continue
    const message = `Unknown key "${key}": neither a spec nor pipeline "${name}" has it.`
    const hint = suggest(key, [...known, ...declared])
    report(spec.map.diagnose(pointer([key]), 'key', { code: 'unknown-key', message, hint }))
  }
}

function planStage(
  node: StageNode,
  index: number,
  needs: readonly string[],
  pipeline: Pipeline,
  registry: Registry,
  report: (diagnostic: Diagnostic) => void,
): { readonly stage: PlannedStage; readonly paths: readonly PathUse[]; readonly programs: readonly ProgramUse[] } {
  const { name, uses, execution, executionSite, site, paramsSite } = node
  const type = registry.stages.get(uses)
  if (!type) {
    const message = `There is no stage type "${uses}".`
    const hint = suggest(uses, registry.stages.names())
    const [at, where] = site.has('/uses') ? (['/uses', 'value'] as const) : (['', 'key'] as const)
    report(site.diagnose(at, where, { code: 'unknown-stage-type', message, hint }))
  } else checkReads(node, type, pipeline, report)
  const checked = checkValue(type?.parameters ?? {}, node.params, `stages.${name}`, `stage type ${uses}`)
  for (const finding of checked.findings)
    if (!node.inherits?.(finding.at)) report(paramsSite.diagnose(finding.at, finding.where, finding))
  const exclusive = execution.exclusive ?? type?.exclusive
  const renamed = node.needs.filter(({ stage, as }) => as !== stage && needs.includes(stage))
  if (execution.onFailure === 'continue' && type && !type.partial) {
    const message = `Stage "${name}" needs all of its tasks, so failed ones cannot be left out.`
    const hint = 'use `onFailure: wait` or `finish-running`'
    report((executionSite ?? site).diagnose('', 'key', { code: 'needs-all-tasks', message, hint }))
  }
  return {
    stage: {
      name,
      uses,
      version: type?.version ?? 0,
      ...(type?.plugin !== undefined && { plugin: type.plugin }),
      needs,
      ...(renamed.length > 0 && { as: Object.fromEntries(renamed.map(({ stage, as }) => [stage, as])) }),
      params: checked.data,
      ...execution,
      ...(exclusive !== undefined && { exclusive }),
      ...(type?.partial !== undefined && { partial: type.partial }),
      ...(type?.gate !== undefined && { gate: type.gate }),
    },
    paths: resolvePaths(checked.data, checked.paths, paramsSite, `/stages/${index}/params`, `stages.${name}`),
    programs: programsIn(checked.data, checked.programs, paramsSite),
  }
}

function checkReads(
  { name, site }: StageNode,
  { reads }: StageInfo,
  pipeline: Pipeline,
  report: (diagnostic: Diagnostic) => void,
): void {
  for (const input of new Set(reads.map((path) => path.split('.')[0]!))) {
    if (input in pipeline.inputs.properties) continue
    const message = `Stage "${name}" reads the input "${input}", which pipeline "${pipeline.name}" does not declare.`
    const hint = 'declare it under `inputs:` of the pipeline, or write `inputs: puzzle`'
    report(site.diagnose('', 'key', { code: 'undeclared-input', message, hint }))
  }
}

async function digestInputs(
  used: readonly PathUse[],
  { contents }: Registry,
  report: (diagnostic: Diagnostic) => void,
): Promise<{ readonly inputDigests: Readonly<Record<string, Digest>>; readonly listings: Listings }> {
  const inputDigests: Record<string, Digest> = {}
  const listings = new Map<Digest, Listing>()
  const known = new Map<string, Digest>()
  for (const { name, absolute, written, kind, diagnose } of used) {
    const place = `${contents?.[kind] ? kind : ''} ${absolute}`
    try {
      let digest = known.get(place)
      if (digest === undefined) {
        const content = await digestPath(absolute, contents?.[kind])
        digest = content.digest
        known.set(place, digest)
        if (content.listing) listings.set(digest, content.listing)
      }
      inputDigests[name] = digest
    } catch (error) {
      const message = `"${written}" cannot be read: ${(error as Error).message}.`
      report(diagnose({ code: 'unreadable-file', message }))
    }
  }
  return { inputDigests, listings }
}

/** The plan with the paths of the spec's text, so that its digest does not depend on where the folder lies. */
function asWritten(body: object, used: readonly PathUse[]): JsonObject {
  const copy = structuredClone(body) as JsonObject
  for (const { at, written } of used)
    setValue(
      copy,
      at,
      isAbsolute(written) ? written : normalize(`./${written.replaceAll('\\', '/')}`).replace(/\/$/, ''),
    )
  return copy
}
