import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'

const folder = join(import.meta.dirname, '../../bench')
const benches = readdirSync(folder, { encoding: 'utf8', recursive: true }).filter((name) => name.endsWith('.mjs'))

/** Names that a script imports, by the module that they come from. */
function imports(text: string): [module: string, names: string[]][] {
  return [...text.matchAll(/^import \{([^}]*)\} from '(\.[^']+)'/gm)].map(([, names = '', module = '']) => [
    module,
    names.split(',').flatMap((name) => /^\s*(\w+)/.exec(name)?.[1] ?? []),
  ])
}

test.each(benches)('%s, which nothing type-checks, imports only what is there', async (name) => {
  for (const [module, names] of imports(readFileSync(join(folder, name), 'utf8'))) {
    // The sources, not what may have been compiled from older ones.
    const source = join(folder, dirname(name), module).replace(/\/dist\/(.*)\.js$/, '/$1.ts')
    const exports = (await import(pathToFileURL(source).href)) as object
    expect(names.filter((own) => !(own in exports))).toEqual([])
  }
})
