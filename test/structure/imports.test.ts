import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** The rooms from the ground up, as docs/architecture.md lists them: a room imports from those it names, all of them below it. */
const rooms: readonly (readonly [room: string, ...from: readonly string[]])[] = [
  ['errors'],
  ['files', 'errors'],
  ['schemas'],
  ['tensor', 'errors'],
  ['solver', 'errors', 'schemas'],
  ['store', 'errors'],
  ['api', 'errors', 'tensor', 'store'],
  ['spec', 'errors', 'files', 'schemas', 'store', 'api'],
  ['workflows', 'errors', 'store', 'api', 'spec'],
  ['model', 'errors', 'files', 'tensor', 'store', 'api'],
  ['data', 'errors', 'files', 'tensor', 'store', 'api', 'spec', 'model'],
  ['report', 'errors', 'schemas', 'api'],
  ['puzzle', 'errors', 'tensor', 'solver', 'store', 'api', 'model', 'data'],
  ['plugins/blocks', 'errors', 'tensor', 'api'],
  ['plugins/runs', 'errors', 'api'],
  ['plugins/stages', 'errors', 'tensor', 'solver', 'store', 'api', 'spec', 'model', 'data', 'report', 'puzzle'],
  // A block type is checked in a model, whose other blocks are the parent's.
  ['plugins/testing', 'errors', 'tensor', 'api', 'model', 'plugins/blocks'],
  ['plugins', 'errors', 'store', 'api', 'spec', 'plugins/blocks', 'plugins/runs', 'plugins/stages'],
  ['plugins/inspect', 'errors', 'tensor', 'store', 'api', 'spec', 'model', 'data', 'puzzle', 'plugins'],
  ['plugins/loading', 'errors', 'schemas', 'tensor', 'store', 'api', 'spec', 'model', 'plugins', 'plugins/inspect'],
  ['lineage', 'errors', 'tensor', 'store', 'api', 'spec', 'plugins'],
  [
    'activities',
    'errors',
    'schemas',
    'tensor',
    'store',
    'api',
    'spec',
    'workflows',
    'plugins',
    'plugins/inspect',
    'plugins/loading',
    'lineage',
  ],
  ['server', 'errors', 'schemas', 'store', 'api'],
  [
    'cli',
    ...[
      'errors',
      'files',
      'schemas',
      'tensor',
      'solver',
      'store',
      'api',
      'spec',
      'workflows',
      'model',
      'data',
      'report',
      'puzzle',
    ],
    ...['plugins', 'plugins/stages', 'plugins/inspect', 'plugins/loading', 'lineage', 'activities', 'server'],
  ],
]
const allowed = new Map(rooms.map(([room, ...from]) => [room, from]))

const roomOf = (path: string) => /^(plugins\/[a-z-]+)\//.exec(path)?.[1] ?? /^([^/]+)\//.exec(path)?.[1] ?? path

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? sources(path) : path.endsWith('.ts') ? [path] : []
  })
}

/** All files of the product, and the files of the product that each imports. */
const graph = new Map(
  [...new Set(rooms.map(([room]) => room.split('/')[0]!))].flatMap(sources).map((path): [string, string[]] => [
    path,
    importsOf(path)
      .map(({ from }) => from)
      .filter((from) => from.startsWith('.'))
      .map((from) => relative(root, resolve(dirname(join(root, path)), from)).replace(/\.js$/, '.ts')),
  ]),
)

test('the table of rooms goes from the ground up: a room imports from rooms listed before it', () => {
  const wrong = rooms.flatMap(([room, ...from], floor) =>
    from
      .filter((other) => !rooms.slice(0, floor).some(([below]) => below === other))
      .map((other) => `${room}: ${other}`),
  )
  expect(wrong).toEqual([])
})

test('imports point downwards: a room imports only from the rooms that the table lists for it', () => {
  const wrong = [...graph].flatMap(([path, imported]) =>
    imported
      .filter((target) => roomOf(target) !== roomOf(path) && !allowed.get(roomOf(path))?.includes(roomOf(target)))
      .map((target) => `${path} imports ${target}`),
  )
  expect(wrong).toEqual([])
})

test('no two files import each other, directly or by way of others', () => {
  // A value knows its graph by type, so that `x.graph.add(x, y)` has all operators: no code runs in a circle.
  const known = 'tensor/value.ts -> tensor/graph.ts'
  const state = new Map<string, 'open' | 'done'>()
  const circles: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
      return
    }
    state.set(path, 'open')
    for (const target of graph.get(path) ?? []) if (`${path} -> ${target}` !== known) visit(target, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of graph.keys()) visit(path, [])
  expect(circles).toEqual([])
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
      const entry = from === '../../api/index.js' || (types && from === '../../tensor/index.js')
      if (!entry && !/^\.\/[a-z0-9-]+\.js$/.test(from) && !packagesOfBlocks.includes(from))
        wrong.push(`${path} imports ${from}`)
    }
  expect(wrong).toEqual([])
})

test('examples import puzzleflow by its public names only', () => {
  const own = sources('examples').flatMap((path) => importsOf(path).map(({ from }) => [path, from] as const))
  expect(own.length).toBeGreaterThan(0)
  const taken = own.filter(([, from]) => !/^(\.\/|node:|puzzleflow(\/(plugin|tensor|model|solver))?$)/.test(from))
  expect(taken).toEqual([])
})
