import { totalmem } from 'node:os'
import { expect, test } from 'vitest'
import { memoryLeft, outOfMemoryKills, usableMemory } from '../../tensor/memory-left.js'

const gib = 2 ** 30
const meminfo = `MemTotal:       ${16 * 2 ** 20} kB\nMemFree:        1000 kB\nMemAvailable:   ${12 * 2 ** 20} kB\n`
const v2 = '30 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n'
const v1 = '32 24 0:29 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n'
const below = (folder: string, files: Readonly<Record<string, string | number>>) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/memory.${name}`, `${text}\n`]))
const pages = (prefix: string) =>
  `anon ${gib}\n${prefix}active_file ${gib / 2}\n${prefix}inactive_file ${gib / 2}\nunevictable 0`

test.each<[kind: string, files: Readonly<Record<string, string>>, available: number, total: number]>([
  ['a machine without control groups', {}, 12, 16],
  ['a group without a limit', { ...below('/sys/fs/cgroup/a', { max: 'max', high: 'max', current: gib }) }, 12, 16],
  [
    'a group of version 2, whose pages of files can be had',
    below('/sys/fs/cgroup/a', { max: 8 * gib, high: 'max', current: 3 * gib, stat: pages('') }),
    6,
    8,
  ],
  [
    'one that is slowed down above less',
    below('/sys/fs/cgroup/a', { max: 8 * gib, high: 4 * gib, current: 3 * gib, stat: '' }),
    1,
    4,
  ],
  [
    'a group above it with less: a service of systemd',
    {
      ...below('/sys/fs/cgroup/a', { max: 8 * gib, current: gib, stat: '' }),
      ...below('/sys/fs/cgroup', { max: 10 * gib, current: 9 * gib, stat: '' }),
    },
    1,
    8,
  ],
  ['one that may have more than there is', below('/sys/fs/cgroup/a', { max: 64 * gib, current: gib }), 12, 16],
  [
    'version 1',
    {
      mountinfo: v1,
      cgroup: '4:memory:/a\n',
      ...below('/sys/fs/cgroup/memory/a', {
        limit_in_bytes: 4 * gib,
        usage_in_bytes: 2 * gib,
        stat: pages('total_'),
      }),
      ...below('/sys/fs/cgroup/memory', { limit_in_bytes: '9223372036854771712', usage_in_bytes: 2 * gib, stat: '' }),
    },
    3,
    4,
  ],
])('memory of this process: %s', (_, files, available, total) => {
  const all: Readonly<Record<string, string>> = { '/proc/meminfo': meminfo, mountinfo: v2, cgroup: '0::/a\n', ...files }
  const read = (path: string) => all[path] ?? all[path.replace(/^\/proc\/self\//, '')]
  expect(memoryLeft(read)?.available).toBe(available * gib)
  expect(usableMemory(read)).toBe(total * gib)
})

test('where the system does not tell, nothing is known', () => {
  const read = () => undefined
  expect([memoryLeft(read), usableMemory(read), outOfMemoryKills(read)]).toEqual([undefined, undefined, undefined])
})

test.skipIf(process.platform !== 'linux')('this machine has memory, and counts whom it ended for more', () => {
  const { total, available } = memoryLeft()!
  expect(total).toBeLessThanOrEqual(totalmem())
  expect(available).toBeGreaterThan(0)
  expect(available).toBeLessThan(total)
  expect(outOfMemoryKills()).toBeGreaterThanOrEqual(0)
})
