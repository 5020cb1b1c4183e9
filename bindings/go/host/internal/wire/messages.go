package wire

// A struct for each host frame. visit lists the fields in the order of docs/wire.md.

// Hello opens a connection, behind the hello of the core.
type Hello struct {
	Version, VersionMin uint32
	Channel, Flags      uint8
	PeerAddress         string // address for peers
	ClientAddress       string // where clients reach the sender; may be empty
	MaxFrame            uint32 // longest frame, header included, for the sender
	Features            uint64
	Founding            Identity // of the group; zeros: not known yet
	Disk                Identity // of the sender's directory
	Start               uint64   // random, drawn at each start of the process
	To                  uint64   // the dialled id; 0 on JOIN
}

func (*Hello) kind() byte { return 1 }
func (m *Hello) visit(c *codec) {
	c.u32(&m.Version)
	c.u32(&m.VersionMin)
	c.u8(&m.Channel)
	c.u8(&m.Flags)
	c.text(&m.PeerAddress, AddressMax)
	c.text(&m.ClientAddress, AddressMax)
	c.zeros(2)
	c.u32(&m.MaxFrame)
	c.u64(&m.Features)
	c.identity(&m.Founding)
	c.identity(&m.Disk)
	c.u64(&m.Start)
	c.u64(&m.To)
}

// Reject ends a connection.
type Reject struct {
	Code    uint16
	Words   string
	RetryMS uint32
}

func (*Reject) kind() byte { return 2 }
func (m *Reject) visit(c *codec) {
	c.u16(&m.Code)
	c.text(&m.Words, WordsMax)
	c.u32(&m.RetryMS)
}

// Ping asks for a sign of life.
type Ping struct{ Token uint64 }

func (*Ping) kind() byte       { return 3 }
func (m *Ping) visit(c *codec) { c.u64(&m.Token) }

// Pong answers a [Ping].
type Pong struct{ Token uint64 }

func (*Pong) kind() byte       { return 4 }
func (m *Pong) visit(c *codec) { c.u64(&m.Token) }

// Join asks to become a member.
type Join struct{ Want uint8 }

func (*Join) kind() byte { return 5 }
func (m *Join) visit(c *codec) {
	c.u8(&m.Want)
	c.zeros(3)
}

// Joined answers a [Join].
type Joined struct {
	Status   uint8
	Code     uint16
	RetryMS  uint32
	Leader   uint64
	Index    uint64
	Founding Identity
	Words    string
	Book     []byte
}

func (*Joined) kind() byte { return 6 }
func (m *Joined) visit(c *codec) {
	c.u8(&m.Status)
	c.zeros(1)
	c.u16(&m.Code)
	c.u32(&m.RetryMS)
	c.u64(&m.Leader)
	c.u64(&m.Index)
	c.identity(&m.Founding)
	c.text(&m.Words, WordsMax)
	c.zeros(2)
	c.bytes(&m.Book)
}

// Offer announces a snapshot file.
type Offer struct {
	Stream, Index, Term, Size uint64
	Checksum                  uint32 // CRC-32C of the whole file
	ChunkBytes                uint32
}

func (*Offer) kind() byte { return 16 }
func (m *Offer) visit(c *codec) {
	c.u64(&m.Stream)
	c.u64(&m.Index)
	c.u64(&m.Term)
	c.u64(&m.Size)
	c.u32(&m.Checksum)
	c.u32(&m.ChunkBytes)
}

// Progress is the content of [Accept] and [Ack].
type Progress struct {
	Stream, Offset uint64
	Window         uint32
}

func (m *Progress) visit(c *codec) {
	c.u64(&m.Stream)
	c.u64(&m.Offset)
	c.u32(&m.Window)
}

// Accept answers an [Offer].
type Accept struct{ Progress }

func (*Accept) kind() byte { return 17 }

// Ack says how far a receiver is.
type Ack struct{ Progress }

func (*Ack) kind() byte { return 19 }

// Chunk is a part of a snapshot file.
type Chunk struct {
	Stream, Offset uint64
	Data           []byte
	Checksum       uint32 // CRC-32C of Data
}

func (*Chunk) kind() byte { return 18 }
func (m *Chunk) visit(c *codec) {
	c.u64(&m.Stream)
	c.u64(&m.Offset)
	c.bytes(&m.Data)
	c.u32(&m.Checksum)
}

// Complete says that a snapshot file is whole and durable.
type Complete struct{ Stream, Index, Term uint64 }

func (*Complete) kind() byte { return 20 }
func (m *Complete) visit(c *codec) {
	c.u64(&m.Stream)
	c.u64(&m.Index)
	c.u64(&m.Term)
}

// Abort ends a stream; stream 0: about a MsgSnap.
type Abort struct {
	Stream, Index, Term uint64
	Code                uint16
	Words               string
}

func (*Abort) kind() byte { return 21 }
func (m *Abort) visit(c *codec) {
	c.u64(&m.Stream)
	c.u64(&m.Index)
	c.u64(&m.Term)
	c.u16(&m.Code)
	c.text(&m.Words, WordsMax)
}

// Request is a client's request, passed on to the leader.
type Request struct {
	Request   uint64
	Session   Identity // zeros: none
	Number    uint64
	TimeoutMS uint32
	What      uint8
	Data      []byte
}

func (*Request) kind() byte { return 32 }
func (m *Request) visit(c *codec) {
	c.u64(&m.Request)
	c.identity(&m.Session)
	c.u64(&m.Number)
	c.u32(&m.TimeoutMS)
	c.u8(&m.What)
	c.zeros(3)
	c.bytes(&m.Data)
}

// Outcome answers a [Request].
type Outcome struct {
	Request             uint64
	Outcome             uint8
	Code                uint16
	RetryMS             uint32
	Index, Term, Leader uint64
	Address             string
	Words               string
	Result              []byte
}

func (*Outcome) kind() byte { return 33 }
func (m *Outcome) visit(c *codec) {
	c.u64(&m.Request)
	c.u8(&m.Outcome)
	c.zeros(1)
	c.u16(&m.Code)
	c.u32(&m.RetryMS)
	c.u64(&m.Index)
	c.u64(&m.Term)
	c.u64(&m.Leader)
	c.text(&m.Address, AddressMax)
	c.text(&m.Words, WordsMax)
	c.bytes(&m.Result)
}
