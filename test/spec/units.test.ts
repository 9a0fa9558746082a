import { expect, test } from 'vitest'
import { formatLimit, isReadLimit, parseQuantity, type Limit, type QuantityKind } from '../../spec/units.js'

test.each<[QuantityKind, string | number, unknown]>([
  ['tokens', '50k', 50_000],
  ['tokens', '50k tokens', 50_000],
  ['tokens', '1.5M', 1_500_000],
  ['tokens', 128, 128],
  ['count', '1_000', 1000],
  ['bytes', '80 GiB', 80 * 2 ** 30],
  ['bytes', '500MB', 5e8],
  ['fraction', '20%', 0.2],
  ['fraction', 0.2, 0.2],
  ['fraction', '55%', 0.55],
  ['bytes', 1024, 1024],
  ['duration', '500 ms', 0.5],
  ['duration', '2 h', 7200],
  ['duration', '15m', 900],
  ['memory-limit', '<= 70%', { bound: 'max', value: 0.7, unit: 'parent' }],
  ['memory-limit', '80 GiB', { bound: 'max', value: 80 * 2 ** 30, unit: 'bytes' }],
  ['throughput-limit', '>= 1.7x', { bound: 'min', value: 1.7, unit: 'parent' }],
  ['throughput-limit', '5500 tokens/s', { bound: 'min', value: 5500, unit: 'tokens/s' }],
  ['latency-limit', '<= 2 s', { bound: 'max', value: 2, unit: 'seconds' }],
  ['prefill-limit', '<= 200ms', { bound: 'max', value: 0.2, unit: 'seconds' }],
  ['token-latency-limit', '<= 0.5x', { bound: 'max', value: 0.5, unit: 'parent' }],
  ['token-latency-limit', '12 ms', { bound: 'max', value: 0.012, unit: 'seconds' }],
  ['parameters-limit', '6B', { bound: 'max', value: 6e9, unit: 'parameters' }],
  ['quality-limit', '>= 97%', { bound: 'min', value: 0.97, unit: 'parent' }],
  ['perplexity-limit', '<= 1.1x', { bound: 'max', value: 1.1, unit: 'parent' }],
  ['kl-limit', '<= 0.05', { bound: 'max', value: 0.05, unit: 'nats' }],
  ['kl-limit', '0.05 nats', { bound: 'max', value: 0.05, unit: 'nats' }],
])('%s %j is read', (kind, text, value) => {
  expect(parseQuantity(kind, text)).toEqual({ value })
})

test.each<[QuantityKind, string | number, string, string]>([
  ['tokens', '50 GiB', '"50 GiB" is not a valid number of tokens: unknown unit "GiB".', 'allowed: 50000, 50k, 1.5M'],
  ['tokens', '1.5', '"1.5" is not a valid number of tokens: it is not a whole number.', 'allowed: 50000, 50k, 1.5M'],
  [
    'bytes',
    '80 tokens',
    '"80 tokens" is not a valid number of bytes: unknown unit "tokens".',
    'allowed: 500 MiB, 80 GiB, 80 GB',
  ],
  ['fraction', '120%', '"120%" is not a valid fraction: it is more than 1.', 'allowed: 20%, 0.2'],
  ['fraction', -1, '-1 is not a valid fraction.', 'allowed: 20%, 0.2'],
  [
    'memory-limit',
    '>= 70%',
    '">= 70%" is not a valid limit on memory: it must be an upper bound (<=).',
    'allowed: "<= 70%", "<= 0.7x", "80 GiB", "500 MB"',
  ],
  [
    'prefill-limit',
    '200 tokens/s',
    '"200 tokens/s" is not a valid limit on prefill: unknown unit "tokens/s".',
    'allowed: "<= 60%", "<= 0.6x", "200 ms", "2 s"',
  ],
  [
    'prefill-limit',
    '200 m',
    '"200 m" is not a valid limit on prefill: unknown unit "m".',
    'allowed: "<= 60%", "<= 0.6x", "200 ms", "2 s"',
  ],
  [
    'token-latency-limit',
    '>= 12 ms',
    '">= 12 ms" is not a valid limit on token latency: it must be an upper bound (<=).',
    'allowed: "<= 60%", "<= 0.6x", "12 ms", "0.05 s"',
  ],
  [
    'throughput-limit',
    '80 GiB',
    '"80 GiB" is not a valid limit on throughput: unknown unit "GiB".',
    'allowed: ">= 1.7x", ">= 170%", "5500 tokens/s"',
  ],
  [
    'throughput-limit',
    5500,
    '5500 is not a valid limit on throughput: it has no unit.',
    'allowed: ">= 1.7x", ">= 170%", "5500 tokens/s"',
  ],
  [
    'memory-limit',
    80,
    '80 is not a valid limit on memory: it has no unit.',
    'allowed: "<= 70%", "<= 0.7x", "80 GiB", "500 MB"',
  ],
  [
    'perplexity-limit',
    '12.5',
    '"12.5" is not a valid limit on perplexity: it has no unit.',
    'allowed: "<= 1.1x", "<= 110%"',
  ],
  [
    'kl-limit',
    '<= 1.1x',
    '"<= 1.1x" is not a valid limit on the KL: unknown unit "x".',
    'allowed: "<= 0.05 nats", "<= 0.05"',
  ],
  ['quality-limit', 'good', '"good" is not a valid quality floor.', 'allowed: ">= 97%", ">= 0.97x"'],
])('%s %j is refused', (kind, text, error, hint) => {
  expect(parseQuantity(kind, text)).toEqual({ error, hint })
})

test.each<[QuantityKind, object, boolean]>([
  ['throughput-limit', { bound: 'min', value: 1.7, unit: 'parent' }, true],
  ['throughput-limit', { bound: 'max', value: 1.7, unit: 'parent' }, false],
  ['throughput-limit', { bound: 'min', value: 1.7, unit: 'bytes' }, false],
  ['throughput-limit', { bound: 'min', value: -1, unit: 'parent' }, false],
  ['throughput-limit', { bound: 'min', value: '1.7', unit: 'parent' }, false],
  ['throughput-limit', { bound: 'min', value: 1.7 }, false],
  ['kl-limit', { bound: 'max', value: 0.1, unit: 'parent' }, false],
  ['tokens', { bound: 'min', value: 1, unit: 'parent' }, false],
])('of a plan, a value of %s may be %j: %s', (kind, value, allowed) => {
  expect(isReadLimit(kind, value)).toBe(allowed)
})

test.each<[Limit, string]>([
  [{ bound: 'min', value: 1.7, unit: 'parent' }, '>= 1.7x'],
  [{ bound: 'max', value: 0.7, unit: 'parent' }, '<= 70%'],
  [{ bound: 'max', value: 80 * 2 ** 30, unit: 'bytes' }, '<= 80 GiB'],
  [{ bound: 'min', value: 5500, unit: 'tokens/s' }, '>= 5500 tokens/s'],
  [{ bound: 'max', value: 0.05, unit: 'nats' }, '<= 0.05 nats'],
])('a limit is written as people do: %j', (limit, text) => {
  expect(formatLimit(limit)).toBe(text)
})
