import type { Json, JsonObject } from '../api/block.js'
import type { Diagnostic } from './diagnostics.js'
import type { Collected } from './keywords.js'
import { isObject } from '../api/json-object.js'
import type { Registry } from './registry.js'
import type { Site } from './site.js'
import { getValue, setValue } from './validate.js'

/** A command that a spec wants to run. */
export interface ProgramUse {
  /** Parameters of a stage that hold it. */
  readonly data: JsonObject
  readonly at: string
  readonly site: Site
}

export const programsIn = (data: JsonObject, programs: Collected['programs'], site: Site): readonly ProgramUse[] =>
  programs.map(({ at }) => ({ data, at, site }))

/**
 * Makes programs ready to run. In the plan their sources become the names and digests of files, and `program` is the
 * digest of it all: so a key changes with what runs, and not with where it lies.
 */
export function openPrograms(
  uses: readonly ProgramUse[],
  registry: Registry,
  report: (diagnostic: Diagnostic) => void,
): void {
  for (const { data, at, site } of uses) {
    const [command, sources = []] = [getValue(data, `${at}/command`), getValue(data, `${at}/sources`)]
    if (!isTexts(command) || !isTexts(sources)) continue // the stage's schema says so
    const problem = (place: string, code: string, message: string, hint?: string) =>
      report(site.diagnose(place, 'value', { code, message, hint }))
    if (!registry.openProgram) {
      problem(`${at}/command`, 'command-not-allowed', 'Commands cannot be run here.')
      continue
    }
    const written = sources.map((written, i) => ({ written, folder: site.folder(`${at}/sources/${i}`) }))
    const folders = [site.folder(`${at}/command`), ...written.map(({ folder }) => folder)]
    const opened = registry.openProgram(command, written, [...new Set(folders)])
    if ('code' in opened) {
      const place = opened.code === 'bad-sources' ? `${at}/sources` : `${at}/command`
      problem(place, opened.code, opened.message, opened.hint)
      continue
    }
    setValue(data, `${at}/sources`, opened.sources)
    setValue(data, `${at}/program`, opened.digest)
  }
}

/** Parameters with their program as a spec writes it, to be checked against the schema of their stage type. */
export function asWritten(parameters: object, params: JsonObject): JsonObject {
  if (!('program' in parameters)) return params
  const { sources, ...others } = params
  const paths = Array.isArray(sources)
    ? sources.map((source: Json) => (isObject(source) ? (source.path ?? null) : source))
    : sources
  const written = Object.entries(others).filter(([name]) => name !== 'program')
  return { ...Object.fromEntries(written), ...(paths !== undefined && { sources: paths }) }
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')
