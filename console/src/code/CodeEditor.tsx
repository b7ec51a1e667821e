// An editor for YAML: findings stand under the text that they are about, and names in scope are completed.
import { autocompletion, type CompletionContext, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { NONCE } from "../theme/nonce";

const LOOK = EditorView.theme({
  "&": { fontSize: "13px", backgroundColor: "var(--gate-card)", color: "var(--mantine-color-text)", borderRadius: "8px", border: "1px solid var(--gate-line)" },
  "&.cm-focused": { outline: "2px solid var(--mantine-primary-color-filled)" },
  ".cm-content": { fontFamily: "var(--mantine-font-family-monospace)", caretColor: "var(--mantine-color-text)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--mantine-color-text)" },
  ".cm-gutters": { backgroundColor: "transparent", border: "none", color: "var(--mantine-color-dimmed)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--mantine-primary-color-filled) 28%, transparent) !important" },
  ".cm-tooltip": { backgroundColor: "var(--gate-card)", border: "1px solid var(--gate-line)", borderRadius: "8px", color: "var(--mantine-color-text)" },
  ".cm-diagnostic": { padding: "6px 10px", maxWidth: "460px" },
});
const COLOURS = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "light-dark(#4338ca, #a5b4fc)" },
  { tag: [tags.string, tags.content], color: "light-dark(#065f46, #8ee5c2)" },
  { tag: [tags.number, tags.bool, tags.null], color: "light-dark(#9a3412, #fdba74)" },
  { tag: tags.comment, color: "var(--mantine-color-dimmed)" },
]);

type Props = { value: string; onChange: (text: string) => void; label: string; diagnostics: Diagnostic[]; names: string[]; readOnly?: boolean };

export default function CodeEditor({ value, onChange, label, diagnostics, names, readOnly = false }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const now = useRef({ onChange, names });
  now.current = { onChange, names };
  useEffect(() => {
    const complete = (context: CompletionContext) => {
      const word = context.matchBefore(/[\w.]+/);
      if (word === null && !context.explicit) return null;
      return { from: word?.from ?? context.pos, options: now.current.names.map((name) => ({ label: name, type: "variable" })), validFor: /^[\w.]*$/ };
    };
    const made = new EditorView({
      parent: place.current ?? undefined,
      state: EditorState.create({
        doc: value,
        extensions: [
          EditorView.cspNonce.of(NONCE), lineNumbers(), history(), drawSelection(), indentOnInput(), yaml(), lintGutter(),
          syntaxHighlighting(COLOURS), LOOK, EditorView.lineWrapping, autocompletion({ override: [complete] }),
          keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
          EditorView.contentAttributes.of({ "aria-label": label }),
          EditorState.readOnly.of(readOnly),
          EditorView.updateListener.of((update) => {
            if (update.docChanged && !update.transactions.some((one) => one.isUserEvent("from.form"))) now.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
    // The editor is made once; what comes later is told to it below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [label, readOnly]);
  useEffect(() => {
    const editor = view.current;
    if (editor === undefined || editor.state.doc.toString() === value) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value }, userEvent: "from.form" });
  }, [value]);
  useEffect(() => {
    const editor = view.current;
    if (editor === undefined) return;
    const end = editor.state.doc.length;
    const within = diagnostics.map((one) => ({ ...one, from: Math.min(one.from, end), to: Math.min(Math.max(one.to, one.from), end) }));
    editor.dispatch(setDiagnostics(editor.state, within));
  }, [diagnostics, value]);
  return <div ref={place} />;
}
