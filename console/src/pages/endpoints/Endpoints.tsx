export default function Endpoints() { return null; }
