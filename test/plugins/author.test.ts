import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

const page = readFileSync(join(packageRoot(), 'docs/writing-a-block.md'), 'utf8')
const [blockType, ownTest] = [...page.matchAll(/```ts\n([^]*?)```/g)].map((match) => match[1]!)

/** Runs the author's test in a package that has puzzleflow among its dependencies. @returns what it prints when it fails */
async function failures(code: string): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-author-'))
  try {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(packageRoot(), join(folder, 'node_modules/puzzleflow'))
    writeFileSync(join(folder, 'index.ts'), code)
    writeFileSync(join(folder, 'index.test.ts'), ownTest!)
    // What runners do that read TypeScript.
    const outfile = join(folder, 'index.test.mjs')
    const entryPoints = [join(folder, 'index.test.ts')]
    await build({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node', external: ['puzzleflow/*'] })
    return await promisify(execFile)(process.execPath, ['--test', outfile]).then(
      () => undefined,
      ({ stdout }: { stdout: string }) => stdout,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('the test that docs/writing-a-block.md writes passes for its block type, in a package of its own', async () => {
  expect(await failures(blockType!)).toBeUndefined()
})

test('it fails for a block type with a mistake, and says which', async () => {
  const random = blockType!.replace('g.silu(g.gemm(x, w.up!))', 'g.mul(g.gemm(x, w.up!), g.mean(x))')
  expect(random).not.toBe(blockType)
  const text = await failures(random)
  expect(text).toContain('causality, ungated-16 for 4 heads, 4 KV heads: of 12 tokens')
  expect(text).toContain('Usual cause: no causal mask')
})
