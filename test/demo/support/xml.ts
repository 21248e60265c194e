/** Whether a text is well-formed XML, as far as ours goes: elements, attributes, text. Answers with what is wrong. */
export function troubleOf(xml: string): string | undefined {
  const open: string[] = [];
  let rest = xml.trim();
  while (rest !== '') {
    const text = /^[^<]+/.exec(rest)?.[0];
    if (text !== undefined) {
      if (/&(?!(?:amp|lt|gt|quot|apos|#\d+);)/.test(text)) return `an "&" that is not escaped: ${text.slice(0, 40)}`;
      rest = rest.slice(text.length);
      continue;
    }
    const [tag, end, name = '', self] = /^<(\/?)([a-zA-Z][\w:-]*)(?:\s+[\w:-]+="[^"<]*")*\s*(\/?)>/.exec(rest) ?? [];
    if (tag === undefined) return `no tag: ${rest.slice(0, 60)}`;
    if (end && open.pop() !== name) return `</${name}> ends nothing`;
    if (!end && !self) open.push(name);
    rest = rest.slice(tag.length);
    if (open.length === 0 && rest !== '') return `more than one element: ${rest.slice(0, 60)}`;
  }
  return open.length > 0 ? `<${open.at(-1)}> is never ended` : undefined;
}
