import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'
import { specRegistry } from '../../cli/spec-registry.js'
import { allowing } from '../../plugins/loading/allowed.js'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import { compileSpec } from '../../spec/plan.js'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** An empty folder with these files; removed after the tests. */
export function folderWith(files: Readonly<Record<string, string>> = {}): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'puzzleflow-plugins-')))
  folders.push(folder)
  addFiles(folder, files)
  return folder
}

export function addFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}

/** Where programs are that were built before: the server's, for instance. */
const programs = process.env.XDG_CACHE_HOME

// Compiled plugins of the tests, and only these.
process.env.XDG_CACHE_HOME = folderWith()
export const bundles = join(process.env.XDG_CACHE_HOME, 'puzzleflow', 'plugins')

/** Does something with the cache that the tests would have, had they none of their own. */
export async function withPrograms<T>(work: () => Promise<T>): Promise<T> {
  const own = process.env.XDG_CACHE_HOME
  if (programs === undefined) delete process.env.XDG_CACHE_HOME
  else process.env.XDG_CACHE_HOME = programs
  try {
    return await work()
  } finally {
    process.env.XDG_CACHE_HOME = own
  }
}

export const manifest = (name: string, entry = './index.js', more: object = {}): string =>
  JSON.stringify({ name, version: '1.2.3', type: 'module', puzzleflow: { plugin: entry }, ...more })

/** Source of a stage. */
export const stageSource = (name: string, more = ''): string =>
  `{ name: '${name}', version: 1, reads: [], async run() { return { values: {}, files: {} } },
     parameters: { type: 'object', additionalProperties: false, properties: { times: { type: 'integer', default: 2 } } }${more} }`

/** A plugin with the one stage `echo`. */
export const echoPlugin = (name = 'echo-plugin'): Record<string, string> => ({
  'package.json': manifest(name),
  'index.js': `export default { stages: [${stageSource('echo')}] }`,
})

/** Files below another folder. */
export const inside = (folder: string, files: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]))

/** A spec whose pipeline is the stage `echo`. */
export const echoSpec = (plugin: string, more = ''): string =>
  `apiVersion: puzzleflow/v1\nname: test\nplugins: ['${plugin}']\npipeline:\n  stages:\n    echo: {}\n${more}`

/** Compiles `spec.yaml` of a folder; allow entries start from there. Messages name files from there. */
export async function compile(folder: string, allow: readonly string[]) {
  const file = join(folder, 'spec.yaml')
  const registry = specRegistry(undefined, allowing(allow.map((text) => ({ text, folder }))))
  const { plan, diagnostics } = await compileSpec(file, registry)
  return { plan, diagnostics: diagnostics.map((d) => formatDiagnostic(d).replace(`${folder}/`, '')) }
}
