import { expect, test } from 'vitest'
import { childEnvironment, variablesOf } from '../../activities/child-environment.js'
import type { Job } from '../../activities/job.js'

test('child processes ask for large pages', () => {
  expect(childEnvironment({ PATH: '/bin' })).toEqual({
    PATH: '/bin',
    GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
    ORT_DISABLE_TELEMETRY: '1',
  })
})

test('what the user tells glibc is kept', () => {
  const other = { GLIBC_TUNABLES: 'glibc.malloc.arena_max=1' }
  expect(childEnvironment(other).GLIBC_TUNABLES).toBe('glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1')
  const off = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=0' }
  expect(childEnvironment(off)).toEqual({ ...off, ORT_DISABLE_TELEMETRY: '1' })
})

test('onnxruntime’s telemetry is off in child processes, also where the user has it on', () => {
  expect(childEnvironment({ ORT_DISABLE_TELEMETRY: '0' }).ORT_DISABLE_TELEMETRY).toBe('1')
})

test('child processes have what programs need to run, and no keys, tokens or what nobody knows', () => {
  const kept = { HOME: '/home/me', LC_ALL: 'C', OMP_NUM_THREADS: '2', XDG_CACHE_HOME: '/c', PUZZLEFLOW_STORE: '/s' }
  const left = { HF_TOKEN: 'x', AWS_SECRET_ACCESS_KEY: 'x', DATABASE_URL: 'x', PUZZLEFLOW_PAYLOAD_KEY_FILE: 'x' }
  const { GLIBC_TUNABLES, ORT_DISABLE_TELEMETRY, ...others } = childEnvironment({ ...kept, ...left })
  expect([GLIBC_TUNABLES, ORT_DISABLE_TELEMETRY]).toEqual(['glibc.malloc.hugetlb=1', '1'])
  expect(others).toEqual(kept)
})

test('the user passes others by naming them', () => {
  const passed = childEnvironment({ HF_TOKEN: 'x', OTHER: 'y', PUZZLEFLOW_PASS_ENVIRONMENT: 'HF_TOKEN, ABSENT' })
  expect([passed.HF_TOKEN, passed.OTHER]).toEqual(['x', undefined])
})

test('a command gets the variables that it names, and a store in S3 the way there', () => {
  const job = (uses: string, store: string, plugin?: string) =>
    ({
      store,
      stage: 'a',
      plan: { stages: [{ name: 'a', uses, plugin, params: { environment: ['HF_TOKEN'] } }] },
    }) as never as Job
  const all = { AWS_REGION: 'r', AWS_SECRET_ACCESS_KEY: 'x', https_proxy: 'p', HF_TOKEN: 'x', OTHER: 'y' }
  expect(variablesOf(job('command', '/store'), all)).toEqual(['HF_TOKEN'])
  expect(variablesOf(job('command', '/store', 'a digest'), all)).toEqual([])
  expect(variablesOf(job('prepare', '/store'), all)).toEqual([])
  expect(variablesOf(job('prepare', 's3://bucket'), all)).toEqual([
    'AWS_REGION',
    'AWS_SECRET_ACCESS_KEY',
    'https_proxy',
  ])
})
