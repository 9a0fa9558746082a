import { existsSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { expect, test } from 'vitest'
import { allowing, checkAllowed } from '../../plugins/loading/allowed.js'
import { findPlugin } from '../../plugins/loading/find.js'
import { userSettingsFile } from '../../store/paths.js'
import {
  addFiles,
  bundles,
  compile,
  echoPlugin,
  echoSpec,
  folderWith,
  inside,
  manifest,
  stageSource,
} from './folders.js'

/** A plugin that leaves a mark when it runs. */
function marking(): { folder: string; mark: string } {
  const folder = folderWith()
  const mark = join(folder, 'mark')
  addFiles(folder, {
    'spec.yaml': echoSpec('./mine'),
    'mine/package.json': manifest('marking'),
    'mine/index.js': `import { writeFileSync } from 'node:fs'\nwriteFileSync('${mark}', '')
      export default { stages: [${stageSource('echo')}] }`,
  })
  return { folder, mark }
}

test('nothing of a plugin is compiled or run before the user allows it', async () => {
  const { folder, mark } = marking()
  const { plan, diagnostics } = await compile(folder, [])
  expect(plan).toBeUndefined()
  expect(diagnostics).toHaveLength(1)
  expect(existsSync(mark)).toBe(false)
  expect(existsSync(bundles) ? readdirSync(bundles) : []).toEqual([])

  expect((await compile(folder, ['./mine'])).diagnostics).toEqual([])
  expect(existsSync(mark)).toBe(true)
})

test('the message says what to write, and that is what allows it', async () => {
  const { folder } = marking()
  const { diagnostics } = await compile(folder, [])
  expect(diagnostics[0]).toBe(
    'spec.yaml:3:11 plugin-not-allowed The plugin "./mine" would run code on this machine, and has not been allowed to. ' +
      `(if you trust it: --allow-plugin ${folder}/mine, or the line \`allowPlugins: ['${folder}/mine']\` in ${userSettingsFile()})`,
  )
  const line = /`(.*)`/.exec(diagnostics[0]!)![1]!
  const { allowPlugins } = parse(line) as { allowPlugins: string[] }
  expect((await compile(folder, allowPlugins)).diagnostics).toEqual([])
})

test('a folder is allowed by where it really lies', async () => {
  const { folder } = marking()
  symlinkSync(join(folder, 'mine'), join(folder, 'link'))
  expect((await compile(folder, ['./link'])).diagnostics).toEqual([])
})

test('a link to another folder than the allowed one is not allowed', async () => {
  const folder = folderWith({
    'spec.yaml': echoSpec('./trusted'),
    ...inside('elsewhere', echoPlugin()),
    'allowed/package.json': manifest('x'),
  })
  symlinkSync(join(folder, 'elsewhere'), join(folder, 'trusted'))
  expect((await compile(folder, ['./allowed'])).diagnostics[0]).toContain('plugin-not-allowed')
})

test.each([
  ['a folder, by a package’s name', './mine', ['marking', 'mine']],
  ['a folder, by the folder above it', './mine', ['.', './']],
  ['a package beside the spec, by its name', 'packed', ['packed']],
  ['a package, by another name', 'packed', ['unpacked', '@packed/packed']],
])('%s is not allowed', async (_, plugin, allow) => {
  const { folder } = marking()
  addFiles(folder, { 'spec.yaml': echoSpec(plugin), ...inside('node_modules/packed', echoPlugin('packed')) })
  expect((await compile(folder, allow)).diagnostics[0]).toContain('plugin-not-allowed')
})

test('the name of a package allows the one that is installed with puzzleflow, and not one of that name beside a spec', () => {
  const folder = folderWith({
    ...inside('home/node_modules/packed', echoPlugin('packed')),
    ...inside('stranger/node_modules/packed', echoPlugin('packed')),
  })
  const allowed = allowing([{ text: 'packed', folder: join(folder, 'stranger') }], join(folder, 'home/puzzleflow'))
  expect(() => checkAllowed(findPlugin('packed', join(folder, 'home/specs')), allowed)).not.toThrow()
  expect(() => checkAllowed(findPlugin('packed', join(folder, 'stranger')), allowed)).toThrow(
    `The plugin "packed" would run code on this machine, and has not been allowed to. Its name allows only a package that is installed with puzzleflow; this one is in ${folder}/stranger/node_modules/packed.`,
  )
})

test('what is to be typed is one word of a shell, whatever a stranger named the folder', async () => {
  const folder = folderWith({ 'spec.yaml': echoSpec('./$(true)'), ...inside('$(true)', echoPlugin()) })
  expect((await compile(folder, [])).diagnostics[0]).toContain(`--allow-plugin '${folder}/$(true)', or`)
})
