import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** Rooms that every room may import from. */
const common = ['errors']

/** Rooms a room may import from (docs/architecture.md, Rooms); type-only imports of plugins/api are allowed everywhere. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  store: ['plugins/api'],
  tensor: [],
  solver: ['plugins/api', 'schemas'],
  'plugins/api': ['tensor', 'store'],
  'plugins/blocks': ['plugins/api', 'tensor'],
  'plugins/runs': ['plugins/api'],
  model: ['tensor', 'plugins/api', 'store'],
  spec: ['schemas', 'plugins/api', 'store'],
  schemas: [],
  'plugins/stages': ['plugins/api', 'plugins/runs', 'tensor', 'model', 'solver', 'spec', 'report', 'schemas', 'store'],
  // A block type is checked in a model, whose other blocks are the parent's.
  'plugins/testing': ['plugins/api', 'plugins/blocks', 'tensor', 'model'],
  report: ['plugins/api', 'schemas'],
  plugins: [
    'plugins/api',
    'plugins/blocks',
    'plugins/runs',
    'plugins/stages',
    'schemas',
    'spec',
    'store',
    'tensor',
    'model',
  ],
  server: ['plugins/api', 'schemas', 'store'],
  workflows: ['plugins/api', 'store', 'spec', 'activities'],
  activities: ['plugins/api', 'plugins', 'spec', 'store', 'tensor', 'schemas', 'workflows'],
  cli: [
    'spec',
    'schemas',
    'workflows',
    'activities',
    'plugins',
    'plugins/api',
    'plugins/stages',
    'tensor',
    'model',
    'solver',
    'store',
    'server',
    'report',
  ],
}

const roomOf = (path: string) =>
  /^(plugins\/(?:api|blocks|runs|stages|testing))\//.exec(path)?.[1] ?? /^([^/]+)\//.exec(path)?.[1] ?? path

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? sources(path) : path.endsWith('.ts') ? [path] : []
  })
}

test('imports point downwards: a room imports only from the rooms that the architecture lists for it', () => {
  const wrong: string[] = []
  for (const folder of [
    'errors',
    'cli',
    'spec',
    'schemas',
    'workflows',
    'activities',
    'plugins',
    'tensor',
    'model',
    'solver',
    'store',
    'server',
    'report',
  ]) {
    for (const path of sources(folder)) {
      const room = roomOf(path)
      for (const match of readFileSync(join(root, path), 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
        const target = roomOf(relative(root, resolve(dirname(join(root, path)), match[1] ?? '')))
        if (target !== room && ![...common, ...(allowed[room] ?? [])].includes(target))
          wrong.push(`${path} imports ${target}`)
      }
    }
  }
  expect(wrong).toEqual([])
})

/** Each `import` of a file: what it is of, and whether it is of types only. */
function importsOf(path: string): { readonly types: boolean; readonly from: string }[] {
  const text = readFileSync(join(root, path), 'utf8')
  const found = [...text.matchAll(/^(?:import|export)\s(type\s)?[^;'"]*?from\s+'([^']+)'|^import\s+()'([^']+)'/gm)]
  const dynamic = [...text.matchAll(/import\(\s*'([^']+)'/g)].map(([, from]) => ({ types: false, from: from! }))
  return [
    ...found.map(([, type, from, , alone]) => ({ types: type !== undefined, from: (from ?? alone)! })),
    ...dynamic,
  ]
}

/** Packages of pure JavaScript that built-in block types are written with. */
const packagesOfBlocks = ['ml-matrix']

test('built-in block types are written with what a plugin can import: the public entries, and packages', () => {
  const wrong: string[] = []
  // The list of them is no block type.
  for (const path of sources('plugins/blocks').filter((path) => !path.endsWith('/index.ts')))
    for (const { types, from } of importsOf(path)) {
      const entry = from === '../api/index.js' || (types && from === '../../tensor/index.js')
      if (!entry && !/^\.\/[a-z0-9-]+\.js$/.test(from) && !packagesOfBlocks.includes(from))
        wrong.push(`${path} imports ${from}`)
    }
  expect(wrong).toEqual([])
})

test('example plugins import puzzleflow by its public names only', () => {
  const own = sources('examples').flatMap((path) => importsOf(path).map(({ from }) => [path, from] as const))
  expect(own.length).toBeGreaterThan(0)
  const taken = own.filter(([, from]) => !/^(\.\/|node:|puzzleflow\/(plugin|tensor|model|solver)$)/.test(from))
  expect(taken).toEqual([])
})
