import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'
import { controlGroup, removeGroup } from '../control-group.js'
import { processors } from '../../tensor/processors.js'

const v2 = '30 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n'
const v1 =
  '31 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n' +
  '32 24 0:29 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n'
const group = '/sys/fs/cgroup/a/b'

test.each<[kind: string, affinity: number, files: Readonly<Record<string, string>>, expected: number]>([
  ['no control groups (macOS)', 8, {}, 8],
  ['an affinity of one processor', 1, { mountinfo: v2, cgroup: '0::/\n', '/sys/fs/cgroup/cpu.max': 'max 100000\n' }, 1],
  ['version 2 without a quota', 8, { mountinfo: v2, cgroup: '0::/a/b\n', [`${group}/cpu.max`]: 'max 100000\n' }, 8],
  ['version 2, two processors', 8, { mountinfo: v2, cgroup: '0::/a/b\n', [`${group}/cpu.max`]: '200000 100000\n' }, 2],
  ['two and a half are two', 8, { mountinfo: v2, cgroup: '0::/a/b\n', [`${group}/cpu.max`]: '250000 100000\n' }, 2],
  ['half of one is one', 8, { mountinfo: v2, cgroup: '0::/a/b\n', [`${group}/cpu.max`]: '50000 100000\n' }, 1],
  ['another period', 8, { mountinfo: v2, cgroup: '0::/a/b\n', [`${group}/cpu.max`]: '150000 50000\n' }, 3],
  ['more than there is', 4, { mountinfo: v2, cgroup: '0::/a/b\n', [`${group}/cpu.max`]: '900000 100000\n' }, 4],
  [
    'the least of a group and those above it',
    8,
    {
      mountinfo: v2,
      cgroup: '0::/a/b\n',
      [`${group}/cpu.max`]: '400000 100000\n',
      '/sys/fs/cgroup/a/cpu.max': '300000 100000\n',
      '/sys/fs/cgroup/cpu.max': 'max 100000\n',
    },
    3,
  ],
  [
    'a container with a namespace of its own',
    8,
    { mountinfo: v2, cgroup: '0::/\n', '/sys/fs/cgroup/cpu.max': '100000 100000' },
    1,
  ],
  [
    'a container that sees the path on the host',
    8,
    {
      mountinfo: v2.replace(' / ', ' /docker/c0 '),
      cgroup: '0::/docker/c0\n',
      '/sys/fs/cgroup/cpu.max': '200000 100000',
    },
    2,
  ],
  [
    'a group outside of what is mounted',
    8,
    { mountinfo: v2, cgroup: '0::/../other\n', '/sys/fs/cgroup/cpu.max': '200000 100000' },
    2,
  ],
  [
    'version 1, two processors',
    8,
    {
      mountinfo: v1,
      cgroup: '7:memory:/m\n4:cpu,cpuacct:/a\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us': '200000\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us': '100000\n',
    },
    2,
  ],
  [
    'version 1, a quota above a group without one',
    8,
    {
      mountinfo: v1,
      cgroup: '4:cpuacct,cpu:/a/b\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us': '300000\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us': '100000\n',
    },
    3,
  ],
  [
    'both versions at once, the processor in version 1',
    8,
    {
      mountinfo: `${v1}${v2.replace('/sys/fs/cgroup', '/sys/fs/cgroup/unified')}`,
      cgroup: '4:cpu,cpuacct:/a\n0::/a\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us': '100000\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us': '100000\n',
    },
    1,
  ],
  [
    'a folder with a space in its name',
    8,
    { mountinfo: v2.replace('/sys/fs/cgroup', '/c\\040g'), cgroup: '0::/a\n', '/c g/a/cpu.max': '200000 100000' },
    2,
  ],
  ['files that say nothing', 8, { mountinfo: v2, cgroup: '0::/a/b\n', [`${group}/cpu.max`]: '\n' }, 8],
])('processors of this process: %s', (_, affinity, files, expected) => {
  const read = (path: string) => files[path.replace(/^\/proc\/self\//, '')]
  expect(processors({ affinity: () => affinity, read })).toBe(expected)
})

test('this process has at least one processor, and no more than the machine', () => {
  expect(processors()).toBeGreaterThanOrEqual(1)
  expect(processors()).toBeLessThanOrEqual(cpus().length)
})

/** What a process counts that is started by a shell. */
const countedBy = (before: string) => {
  const script = `import('${join(packageRoot(), 'dist/tensor/processors.js')}').then((own) => console.log(own.processors()))`
  return execFileSync('sh', ['-c', `${before} ${process.execPath} -e "${script}"`], { encoding: 'utf8' }).trim()
}

test.skipIf(process.platform !== 'linux')('a process that may run on one processor counts one', () => {
  expect(countedBy('exec taskset -c 0')).toBe('1')
})

const quota = controlGroup('cpu', 'processors', 100_000)
test.skipIf(quota === undefined)(
  `a process with a quota of one processor counts one${quota === undefined ? ' (skipped: this user cannot make a control group)' : ''}`,
  () => {
    onTestFinished(() => removeGroup(quota!))
    expect(countedBy(`echo $$ > ${quota}/cgroup.procs; exec`)).toBe('1')
  },
)
