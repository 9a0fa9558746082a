import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Whole searches, kills, other programs and installed packages: more than half of the time of all tests. */
const searches = [
  'blocks/families',
  'chaos/chaos',
  'cli/command',
  'cli/explain',
  'cli/gguf-search',
  'cli/iterative',
  'cli/search',
  'cli/sweep',
  'data/large-inputs',
  'engine/lost',
  'engine/many-workers',
  'engine/policies',
  'gguf/write',
  'gguf/write-engine',
  'package/package',
  'plugins/examples',
  'plugins/harm',
  'plugins/run-type',
  'plugins/running',
  'python/worker',
  'server/offline',
  'server/ui',
  'stages/family-search',
  'stages/iterative',
  'store/runs',
].map((name) => `test/${name}.test.ts`)

/** `everyday` or `searches` as scripts/test.mjs says it; everything by default. */
const part = process.env.PUZZLEFLOW_TESTS

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  // Examples import what a plugin imports.
  resolve: { alias: [{ find: /^puzzleflow\/plugin$/, replacement: source('./api/index.ts') }] },
  test: {
    include: part === 'searches' ? searches : ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', ...(part === 'everyday' ? searches : [])],
    globalSetup: ['test/state-home.ts'],
    // Ten times what the longest take on quiet cores: machines that test have other work, too.
    testTimeout: 180_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    // onnxruntime must not be torn down inside a worker thread while it runs: one process a test file.
    pool: 'forks',
    // One more than the cores of the machines for which this is made: many tests wait, for heartbeats and for what was killed.
    maxWorkers: 3,
    // Expected texts are plain; on CI colours would be on. What a test starts sends nothing (tensor/telemetry.ts).
    env: { NO_COLOR: '1', ORT_DISABLE_TELEMETRY: '1' },
    // What fails now and then has a cause, and is mended where it is seen.
    retry: 0,
  },
})
