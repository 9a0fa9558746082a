// Writes the schemas that the first lines of the examples name, for editors: `node scripts/editor-schemas.mjs`; with --check it
// only compares.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { build, install, root } from './setup.mjs'

if (!process.argv.includes('--check')) {
  install()
  build()
}
const { registryFor } = await import('../dist/cli/compiled-spec.js')
const { specRegistry } = await import('../dist/cli/spec-registry.js')
const { described } = await import('../dist/spec/described.js')
const { schemaOfSpec, specSchema } = await import('../dist/spec/schema.js')

/** The schema of every spec of the pipeline `puzzle` without plugins. */
const usual = join(root, 'schemas/editor/spec.schema.json')

/** Schemas by file. */
const schemas = new Map([[usual, specSchema(specRegistry())]])
for (const spec of specs()) {
  const [, named] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(readFileSync(spec, 'utf8')) ?? []
  if (named === undefined) fail(`${relative(root, spec)} does not begin with # yaml-language-server: $schema=FILE`)
  const file = resolve(dirname(spec), named)
  if (file === usual) continue
  const folder = dirname(spec)
  const { schema, diagnostics } = await schemaOfSpec(
    spec,
    registryFor({ allowPlugin: [folder, join(folder, 'plugin')] }),
  )
  if (!schema) fail(`${relative(root, spec)}: ${diagnostics[0].message}`)
  schemas.set(file, schema)
}

for (const [file, schema] of schemas) {
  const text = `${JSON.stringify(described(schema))}\n`
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== text)
    fail(`${relative(root, file)} is not current: run node scripts/editor-schemas.mjs`)
}

/** Paths of the examples' specs. */
function specs() {
  return readdirSync(join(root, 'examples'), { recursive: true })
    .filter((path) => /\.yaml$/.test(path) && !/(^|\/)(tasks|node_modules)\//.test(path))
    .map((path) => join(root, 'examples', path))
    .filter((path) => /^apiVersion: puzzleflow/m.test(readFileSync(path, 'utf8')))
    .sort()
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
