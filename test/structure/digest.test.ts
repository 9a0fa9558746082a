import { expect, test } from 'vitest'
import { canonicalJson, digestBytes, digestJson } from '../../store/digest.js'

test('a digest does not depend on the order of keys', () => {
  expect(digestJson({ b: 1, a: [2, 3] })).toBe(digestJson({ a: [2, 3], b: 1 }))
  expect(canonicalJson({ b: 1, a: [2, 3] })).toBe('{"a":[2,3],"b":1}')
})

test('a digest of bytes is their sha256', () => {
  expect(digestBytes('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})
