"""Expressions, and the values that they speak of, as JSON text."""

values = r"""{
 "s": "Hello, World", "blank": "  two  words \n", "empty": "", "emoji": "a😀bé", "quotes": "it's \"so\"", "esc": "a\nb\tc\\d\u0007\u00a0é",
 "html": "<a href='x'>&\"</a>", "lines": "one\ntwo\r\nthree\rfour\u2028five\n", "path": "a/b/c", "xs": "xxabcxx", "snake": "foo_bar baz",
 "n": 7, "zero": 0, "neg": -7, "big": 12345678901234567890123, "f": 2.5, "one": 1.0, "e5": 1e5, "small": 1e-7, "huge": 1e22, "negzero": -0.0,
 "yes": true, "no": false, "nothing": null,
 "list": [3, 1, 2], "words": ["pear", "Apple", "fig", "apple"], "mixed": [1, "1", 1.0, true, null], "nested": [[1, 2], [3, [4]]], "none_list": [],
 "d": {"b": 1, "a": [1.0, 2, null], "c": {"k": "v"}, "items": "shadow", "1": "one"}, "none_dict": {},
 "people": [{"name": "Ann", "age": 30, "tags": ["x"], "city": "Oslo"}, {"name": "bob", "age": 25.0, "tags": [], "city": "oslo"}, {"name": "Cid", "age": 30, "active": true, "city": "Rome"}],
 "tool": {"type": "function", "function": {"name": "get_weather", "description": "Weather of a \"city\" <now>", "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 3, "maximum": 1e2}, "ratio": {"type": "number", "default": 1.0}}, "required": ["city"]}}},
 "message": {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image"}]}
}"""

expressions = [line for line in r"""
s
n
neg
big
big + 1
big * big
f
one
e5
small
huge
negzero
yes
nothing
list
words
mixed
nested
d
none_dict
emoji
quotes
[quotes]
[esc]
{'q': quotes, 1: 2.0, none: true}
(1,)
(1, 2)
()
[]
{}
1, 2
true
True
none
None
-7 % 3
7 % -3
-7 // 3
7 // -2
-7.5 % 2
7.5 // 2
-7.5 // 2
7 / 2
8 / 2
1 / 3
2 ** 10
2 ** -1
2 ** 0.5
-2 ** 2
2 ** 3 ** 2
10 ** 25
1e308 * 10
1 + 1.0
0.1 + 0.2
1e16
1e15
123456789012345.6
1.5e300
1e-5
0.0001
100000.0
5e-324
1_000
0x1F
0b101
0o17
1 / 0
1 // 0
1 % 0
1.0 / 0
0 ** -1
big / 3
big // 7
big % 97
-big % 97
big == 12345678901234567890123
true + true
true * 3
-true
+yes
- -3
not true
not none
not 'a' == 'b'
1 + 2 * 3
(1 + 2) * 3
10 - 2 - 3
2 * 3 % 4
'a' ~ 1 ~ none ~ 1.0 ~ true
'a' + 'b'
'a' + 1
1 + 'a'
'a' * 3
3 * 'ab'
'a' * -1
[1] * 2
[1] + [2]
[1] + (2,)
(1,) + (2,)
'a' 'b'
'a' - 'b'
'%s and %d' % ('x', 3)
'%5.2f|%-5s|%05d' % (3.14159, 'ab', 42)
'%r' % 'a'
'%x' % 255
'%s' % nothing
'%d%%' % 50
'%(a)s' % {'a': 1}
'%s' % (1, 2)
'%s %s' % 'a'
'%+d' % 5
'%.3s|' % 'abcdef'
'%.0f %.0f %.0f' % (0.5, 1.5, 2.5)
1 == 1.0
1 == true
'1' == 1
0 == false
none == false
1 == '1'
[1, 2] == [1.0, 2]
[1] == (1,)
{'a': 1} == {'a': 1.0}
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2
1 == 1 != 2
'a' < 'b'
'B' < 'a'
'a' < 1
none < 1
[1, 2] < [1, 3]
[1] < [1, 0]
(1, 2) < (1, 2)
[1] < (2,)
1.5 > 1
1 != 2
big > 1e22
'é' < '😀'
'😀' > '\uffff'
'ell' in s
'x' not in s
1 in list
1.0 in list
'1' in mixed
'b' in d
1 in d
none in mixed
1 in 'a'
1 in 5
'a' in undefined_thing
undefined_thing in list
[1] in [[1]]
[1] in d
1 and 2
0 or 'x'
'' and 1
none or []
1 if yes else 2
1 if no
(1 if no) is defined
'a' if no else 'b' if no else 'c'
s[0]
s[-1]
s[100]
s[1:4]
s[::-1]
s[:-2]
s[::2]
s[5:1:-1]
s[-3:]
s[10:2]
emoji[1]
emoji[::-1]
emoji[2:]
emoji | length
emoji.find('b')
emoji | upper
list[0]
list[-1]
list[1:]
list[::-1]
list[5]
list[5] is defined
list['a']
list[1.0]
list[true]
list[::0]
list['a':]
nothing[1:]
d['b']
d.b
d.items
d['items']
d.items()
d.keys()
d.values()
d.items() | list
d | list
d.get('b')
d.get('zz')
d.get('zz', 'no')
d.get('zz') is none
d['zz']
d['1']
d[1]
d.zz.y
d.c.k
d.c['k']
d.copy()
d.update({'x': 1})
d.pop('b')
list.append(1)
list.index(1)
list.count(1)
list.index(99)
tool.function.name
tool['function']['parameters']['properties'] | list
message.content[0].text
message.content[0]['text']
message.content is string
message['content'] is not string
undefined_thing
undefined_thing.x
undefined_thing['x']
undefined_thing + 1
undefined_thing ~ 'a'
undefined_thing()
undefined_thing == undefined_other
undefined_thing == none
undefined_thing is undefined
undefined_thing | default('d')
undefined_thing | length
undefined_thing | list
undefined_thing | upper
undefined_thing | join
undefined_thing | tojson
undefined_thing | int
undefined_thing | trim
[undefined_thing]
undefined_thing[1:]
-undefined_thing
undefined_thing < 1
not undefined_thing
message.zzz is defined
message.role is defined
message.zzz or 'x'
nothing.x
nothing.x.y
nothing.upper()
n.upper
s.upper
s.upper is defined
s.nope is defined
s.upper()
s.lower()
s.title()
"they're bill's".title()
snake.title()
snake | title
snake | capitalize
'hELLO wORLD' | capitalize
'hELLO'.capitalize()
'ß'.upper()
'ßa'.title()
'ǆ'.title()
'ﬁx'.capitalize()
'ΑΣ'.lower()
'straße' | upper
s.swapcase()
blank.strip()
blank | trim
'[' ~ blank.strip() ~ ']'
xs.strip('x')
xs.lstrip('x')
xs.rstrip('xc')
xs | trim('x')
'\u00a0x\u3000\ufeff'.strip() | length
'\x1cx\x85' | trim
s.strip(none)
s.strip(1)
s.strip('a', 'b')
s.split()
blank.split()
s.split(', ')
path.split('/', 1)
path.rsplit('/', 1)
path.rsplit('/')
' a b  c '.split(none, 1)
' a b  c '.rsplit(none, 1)
'a,b,,c'.split(',')
'a,b,c'.split(',', maxsplit=1)
'a,b,c'.split(sep=',')
'abc'.split('')
''.split()
''.split(',')
lines.splitlines()
lines.splitlines(true)
''.splitlines()
'a\n\nb\n'.splitlines()
s.replace('l', 'L')
s.replace('l', 'L', 1)
s.replace('', '-')
s.replace('', '-', 2)
s | replace('o', '0')
s | replace('o', '0', 1)
'aXbX' | replace('X', 1)
s.replace('l', 1)
s.find('o')
s.find('zz')
s.find('o', 5)
s.rfind('o')
s.index('W')
s.index('zz')
s.count('l')
'aaa'.count('aa')
'abc'.count('')
s.startswith('He')
s.startswith(('x', 'He'))
s.startswith('World', 7)
s.startswith(['He'])
s.endswith('ld')
s.endswith(('x',))
s.removeprefix('He')
s.removesuffix('ld')
s.partition(', ')
s.partition('zz')
path.rpartition('/')
'-'.join(words)
'-'.join([1, 2])
'-'.join('abc')
''.join([])
'ab'.center(5) ~ '|'
'abc'.center(6, '*')
'ab'.ljust(4, '.')
'ab'.rjust(4, '.')
'5'.zfill(3)
'-5'.zfill(4)
'a\tb'.expandtabs(4)
'abc'.isalpha()
'abc1'.isalnum()
'12'.isdigit()
'12'.isdecimal()
' '.isspace()
''.isspace()
'abc'.islower()
'ABC1'.isupper()
'Abc Def'.istitle()
'é'.isascii()
'{} and {}'.format(1, 'b')
'{0}{1}{0}'.format('a', 'b')
'{x}-{y!r}'.format(x=1, y='q')
'{:>5}|{:<5}|{:^5}|'.format('a', 'b', 'c')
'{:05.1f} {:,} {:+d} {:x}'.format(3.14159, 1234567, 5, 255)
'{0.name} {1[0]}'.format(people[0], list)
'{{}} {}'.format(1)
'{}'.format()
'{:.2%}'.format(0.1234)
s.encode is defined
s.__class__
s.__class__.__mro__
s['__class__']
''.__class__.__base__.__subclasses__()
d.__class__ is defined
list.__len__()
s._foo
d._foo is defined
list | sort
list | sort(reverse=true)
words | sort
words | sort(case_sensitive=true)
words | sort | join(', ')
mixed | sort
people | sort(attribute='name') | map(attribute='name') | list
people | sort(attribute='age,name', reverse=true) | map(attribute='name') | list
people | map(attribute='name') | join(', ')
people | map(attribute='zz', default='-') | list
people | map('length') | list
words | map('upper') | list
words | map('replace', 'p', 'q') | list
words | map() | list
words | map(attribute='0') | list
list | map('string') | join
people | selectattr('active') | list
people | selectattr('active', 'defined') | map(attribute='name') | list
people | selectattr('age', 'equalto', 30) | map(attribute='name') | list
people | selectattr('age', '>', 26) | map(attribute='name') | list
people | rejectattr('active') | map(attribute='name') | list
people | rejectattr('city', 'in', ['Oslo']) | map(attribute='name') | list
people | selectattr('tags.0') | list | length
list | select('odd') | list
list | select('>', 1) | list
list | reject('odd') | list
mixed | select | list
mixed | select('string') | list
mixed | reject('none') | list
list | select('nope') | list
words | unique | list
words | unique(case_sensitive=true) | list
people | groupby('age') | list
people | groupby('city') | map(attribute='grouper') | list
people | groupby('city', case_sensitive=true) | map('first') | list
(people | groupby('age'))[0].list | length
d | dictsort
none_dict | dictsort
{'B': 1, 'a': 2} | dictsort
{'B': 1, 'a': 2} | dictsort(true)
{'B': 1, 'a': 2} | dictsort(by='value')
{'B': 1, 'a': 2} | dictsort(reverse=true)
list | batch(2) | list
list | batch(2, 'x') | list
list | slice(2) | list
list | slice(2, 'x') | list
range(7) | slice(3) | list
list | first
list | last
none_list | first
none_list | last
s | first
s | last
d | first
d | last
list | map('string') | last
list | length
d | length
nothing | length
n | length
list | count
list | sum
none_list | sum
people | sum(attribute='age')
words | sum
[0.5, 1] | sum
list | sum(start=10)
list | min
list | max
words | min
words | max(case_sensitive=true)
people | max(attribute='age')
none_list | max
list | reverse | list
s | reverse
d | reverse | list
list | join
list | join('-')
list | join(1)
people | join(', ', attribute='name')
mixed | join(',')
s | join('.')
s | list
n | list
f | round
2.675 | round(2)
42.55 | round(1)
42.55 | round(1, 'floor')
42.51 | round(1, 'ceil')
0.5 | round
1.5 | round
2.5 | round
-0.4 | round
7 | round
17 | round(-1)
15 | round(-1)
25 | round(-1)
7 | round(1, 'ceil')
1.25 | round(1)
1e22 | round(2)
'a' | round
42.55 | round(1, 'up')
'42' | int
'42.9' | int
'x' | int
'x' | int(5)
' 7 ' | int
'0x1f' | int(0, 16)
'101' | int(base=2)
'1_000' | int
-3.9 | int
true | int
nothing | int
[1] | int(9)
1e400 | int
'1.5' | float
'x' | float
'x' | float(2.0)
5 | float
' 1e3 ' | float
'inf' | float
'nan' | float
nothing | float
-5 | abs
-5.5 | abs
'a' | abs
s | upper
n | upper
nothing | upper
s | lower
s | wordcount
"it's a-b c_d é" | wordcount
lines | indent
'a\nb\n\nc' | indent(2)
'a\nb\n\nc' | indent(2, true)
'a\nb\n\nc' | indent(2, blank=true)
'a\nb' | indent('> ', first=true)
'a\n' | indent
n | indent
'foo bar baz qux' | truncate(9)
'foo bar baz qux' | truncate(9, true)
'foo bar baz qux' | truncate(11)
'foo bar baz qux' | truncate(11, false, '...', 0)
'foo bar baz qux' | truncate(5, end='')
'abc' | truncate(2)
'ab' | center(6) ~ '|'
html | escape
html | e
html | safe
html | escape | length
html | forceescape
'a b/c?é=' | urlencode
n | string
n | string | length
list | string
s | default('x')
'' | default('x')
'' | default('x', true)
nothing | default('x')
nothing | default('x', true)
none_list | d('x', boolean=true)
undefined_thing | default
'%s-%s' | format('a', 1)
'%(k)s' | format(k='v')
s | attr('upper') is defined
d | attr('b')
d | items | list
nothing | items | list
undefined_thing | items | list
s | nope
s is nope
s | upper | lower | title
-1 | abs
(-1) | abs
'a,b' | replace(',', ' ') | upper
1 + 2 | string
'x' ~ 1 | string ~ 'y'
tool | tojson
tool | tojson(indent=2)
tool | tojson(indent=4, sort_keys=true)
tool | tojson(separators=(',', ':'))
tool | tojson(ensure_ascii=true)
tool | tojson(indent='\t')
d | tojson
d | tojson(sort_keys=true)
mixed | tojson
esc | tojson
emoji | tojson
emoji | tojson(ensure_ascii=true)
html | tojson
big | tojson
e5 | tojson
one | tojson
small | tojson
huge | tojson
negzero | tojson
none_list | tojson(indent=2)
none_dict | tojson(indent=2)
[[], {}] | tojson(indent=1)
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
{(1,): 2} | tojson
(1, 2) | tojson
list | map('string') | tojson
range(3) | tojson
'\x7f\u2028' | tojson
[1.0, 1e400, -1e400] | tojson
list | tojson(indent=0)
list | tojson(0)
list | tojson(false, 2)
list | tojson(nope=1)
n is number
f is float
n is integer
yes is integer
yes is boolean
n is boolean
yes is number
s is string
s is iterable
s is sequence
d is mapping
d is iterable
d is sequence
list is sequence
list is iterable
list is mapping
nothing is none
nothing is not none
nothing is iterable
n is iterable
(list | map('string')) is iterable
(list | map('string')) is sequence
range(3) is sequence
d.items() is sequence
undefined_thing is iterable
undefined_thing is sequence
undefined_thing is none
n is odd
n is even
zero is even
n is divisibleby 7
n is divisibleby(2)
n is divisibleby 0
'a' is odd
f is odd
s is lower
'abc' is lower
'ABC' is upper
yes is true
one is true
no is false
n is sameas 7.0
nothing is sameas none
yes is sameas true
n is eq 7
n is ge 7
n is gt(8)
n is ne 3
1 is in list
'zz' is in words
1 is not in list
range is callable
s is callable
s.upper is callable
'upper' is filter
'nope' is filter
'odd' is test
not n is odd
n is odd and f is float
n is odd or undefined_thing.x
n is defined is true
html | e is escaped
range(5)
range(5) | list
range(1, 10, 3) | list
range(5, 0, -2) | list
range(0) | list
range(3)[1]
range(10)[2:5]
range(10)[::-1] | list
range(10) | length
range(3) == range(0, 3)
5 in range(10)
range(200000) | length
range(1, 2, 0)
range('a')
range(2.0)
dict(a=1, b=2)
dict([['a', 1]])
dict(d, z=1) | list
dict.fromkeys(['a', 'b'], 0)
namespace(a=1)
namespace(a=1).a
namespace(a=1).b
namespace({'a': 2})['a']
namespace(_a=1)
cycler('a', 'b').next()
joiner('|')()
strftime_now('%Y-%m-%d')
strftime_now('%d %B %Y')
strftime_now('%A %a %b %e %j %H:%M:%S %p %I %y %U %W %w')
strftime_now('%-d %%')
raise_exception('no')
s.replace
loop
loop is defined
self is defined
'\n\t\\\'\"' | length
'\x41\u00e9\U0001F600'
'\101\0' | length
'\q' | length
'\é' | length
"a\
b"
'é'
"a'b"
'a"b'
'{{ x }}'
'%}'
[1, 2,]
{'a': 1,}
(1, 2,)
[1, 2][0]
{'a': {'b': 1}}.a.b
{'a': 1}['a']
'abc'[1]
list.0
nested.1.1.0
d.a.0
foo.bar
(s ~ '!') | upper
s | upper ~ '!'
s.upper() | lower
[s.upper, s.lower][1]()
people[0]['name'][0] | upper
people[0].tags[0] if people[0].tags else 'none'
people | map(attribute='tags') | map('length') | sum
people | selectattr('name', 'equalto', 'Ann') | first
(people | first).name
(people | selectattr('name', 'equalto', 'Zed') | first) is defined
1 if 1 else 2 if 0 else 3
1 in [1] == true
1 < 2 == true
2 in [1, 2] and 3 not in [1, 2]
not 1 in [2]
[1, 2, 3][1:][0]
'a' if 'b' in 'abc' and not 'd' in 'abc' else 'z'
a b
1 +
(1
[1
{'a' 1}
1 | 2
x..y
'unclosed
@
d.items
[d.items() | list, d.keys() | list]
[none, true, 1.5, 'x', [1], {'a': (1,)}]
'\u200b\u00ad\ue000😀' ~ ['\u200b\u00ad\ue000😀\u0301']
{'k': 'it\'s'}
['\x00\x1f\x7f\x80']
""".split("\n") if line != ""]
