import { expect, test } from 'vitest'
import { childEnvironment } from '../../activities/child-environment.js'

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
