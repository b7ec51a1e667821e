// A value in one line: its title and what is copied of it are the whole.
const ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

export function Value({ text }: { text: string }) {
  return <span className={`line ${ID.test(text) ? "id" : ""}`} title={text}><bdi>{text}</bdi></span>;
}
