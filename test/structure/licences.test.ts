import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

interface Component {
  readonly name: string
  readonly licenses?: readonly { readonly license?: { readonly id?: string }; readonly expression?: string }[]
}

/** Licences that go with GPL-3.0-or-later and ask for no more than their text. */
const usual = [
  ...['MIT', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', '0BSD', 'BlueOak-1.0.0', 'Unlicense'],
  ...['Apache-2.0 AND MIT', '(MIT AND Zlib)', '(MIT OR CC0-1.0)'],
]
/** Packages with other ones (docs/licences.md). */
const others = {
  'glpk.js': 'GPL-3.0',
  // Tables of browsers, which webpack reads when Temporal bundles workflows.
  'caniuse-lite': 'CC-BY-4.0',
  // Its package.json says nothing; its LICENSE is the Unlicense.
  unionfs: undefined,
}

test('npm makes a list of what is installed, and the licence of every package in it is known', () => {
  const args = ['sbom', '--omit', 'dev', '--sbom-format', 'cyclonedx', '--offline']
  const text = execFileSync('npm', args, { cwd: packageRoot(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const { components } = JSON.parse(text) as { components: readonly Component[] }
  expect(components.length).toBeGreaterThan(100)
  const odd = components.flatMap(({ name, licenses = [] }) => {
    const [own] = licenses.map(({ license, expression }) => license?.id ?? expression)
    return own !== undefined && usual.includes(own) ? [] : [[name, own] as const]
  })
  expect(Object.fromEntries(odd)).toEqual(others)
})
