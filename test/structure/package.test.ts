import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }

// It asks npm's registry for what is not in npm's cache.
test.skipIf(!process.env.CI && !process.env.PUZZLEFLOW_TEST_PACKAGE)(
  'the package is installed into an empty project, where the download of libraries for GPUs fails, and computes (skipped: neither CI nor PUZZLEFLOW_TEST_PACKAGE=1 is set)',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-package-'))
    try {
      const project = join(folder, 'project')
      mkdirSync(project)
      writeFileSync(join(project, 'package.json'), '{"private": true}')
      // Nothing but the registry is reached: that is how the script of onnxruntime-node fails.
      const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: '', GLOBAL_AGENT_HTTPS_PROXY: 'http://127.0.0.1:9' }
      const run = (cwd: string, command: string, ...args: string[]) =>
        execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
      // dist/ is compiled before tests are run.
      run(packageRoot(), 'npm', 'pack', '--ignore-scripts', '--pack-destination', folder)
      const tarball = join(folder, `puzzleflow-${version}.tgz`)
      run(project, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball)
      expect(run(project, 'npx', '--no-install', 'puzzleflow', '--version')).toBe(`${version}\n`)
      const parent = join(packageRoot(), 'examples/quickstart/parent')
      const text = run(
        project,
        'npx',
        '--no-install',
        'puzzleflow',
        'generate',
        parent,
        '--prompt',
        'copy fox',
        '-n',
        '3',
      )
      expect(text).toBe('copy fox rope mole yellow\n')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  120_000,
)
